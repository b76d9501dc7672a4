/**
 * Begins an adapter: the package, its five files, and the contract suite, whose tests fail until the files are written.
 *
 *     node tools/new-adapter.ts <id>         such as: node tools/new-adapter.ts llama-index
 *
 * Then `npm install`, a line in the root tsconfig.json, and docs/adapters.md.
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const template = join(import.meta.dirname, 'new-adapter-template');
const id = process.argv[2] ?? '';
const directory = join(import.meta.dirname, '..', 'packages', id);

/** `llama-index` → `Llama Index`. */
function titleOf(name: string): string {
  return name.replaceAll(/(^|-)(\w)/g, (_all, dash: string, letter: string) => `${dash && ' '}${letter.toUpperCase()}`);
}

if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(id) || existsSync(directory)) {
  const problem = id !== '' && existsSync(directory) ? 'exists already' : 'is not an id such as llama-index';
  console.error(`new-adapter: "${id}" ${problem}`);
  process.exitCode = 1;
} else {
  // The templates end in .txt, so that no tool takes them for sources.
  for (const file of globSync('**/*.txt', { cwd: template })) {
    const target = join(directory, file.slice(0, -'.txt'.length));
    const text = readFileSync(join(template, file), 'utf8')
      .replaceAll('{{id}}', id)
      .replaceAll('{{title}}', titleOf(id));
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
    console.log(relative(process.cwd(), target));
  }
}
