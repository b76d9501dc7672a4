/**
 * Begins an adapter: the package, its five files, and the contract suite, whose tests fail until the files are written.
 *
 *     npm run new:adapter -- <id> [workspace root]         such as: npm run new:adapter -- llama-index
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const template = join(import.meta.dirname, 'new-adapter-template');
const [id = '', root = join(import.meta.dirname, '..')] = process.argv.slice(2);
const directory = join(root, 'packages', id);

/** `llama-index` → `Llama Index`. */
function titleOf(name: string): string {
  return name.replaceAll(/(^|-)(\w)/g, (_all, dash: string, letter: string) => `${dash && ' '}${letter.toUpperCase()}`);
}

function writeFiles(): void {
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

/** Has `tsc -b` build the package. */
function addReference(): void {
  const file = join(root, 'tsconfig.json');
  const config = JSON.parse(readFileSync(file, 'utf8')) as { references: { path: string }[] };
  config.references.push({ path: `packages/${id}` });
  writeFileSync(file, `${JSON.stringify(config, undefined, 2)}\n`);
  console.log(relative(process.cwd(), file));
}

if (!/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/.test(id) || existsSync(directory)) {
  const problem = id !== '' && existsSync(directory) ? 'exists already' : 'is not an id such as llama-index';
  console.error(`new-adapter: "${id}" ${problem}`);
  process.exitCode = 1;
} else {
  writeFiles();
  addReference();
  console.log(`
Next: npm install --save-exact -D <the framework> -w @agent-lightning/${id}, and name it in "peerDependencies" of its package.json
      npx nx test ${id}                                                         which fails until the five files are written
      node --conditions=@agent-lightning/source tools/adapter-table.ts --write  when it passes`);
}
