/**
 * Compiles every TypeScript fence of every README and document, as a user would paste it beside their own agent.
 * The modules that stand for the user's own code (`./agent.js`, …) are in tools/readme.
 *
 *     node tools/check-readme.ts
 */
import { execFileSync } from 'node:child_process';
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const output = 'tools/.readme';

interface Fence {
  readonly file: string;
  readonly line: number;
  readonly code: string;
}

function readFences(file: string): Fence[] {
  const text = readFileSync(file, 'utf8');
  return [...text.matchAll(/^```(?:ts|typescript)\n([\s\S]*?)^```$/gm)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match[1]!,
  }));
}

const documents = [
  'README.md',
  ...globSync(['packages/*/README.md', 'examples/*/README.md', 'docs/**/*.md', 'skills/*/SKILL.md'], {
    exclude: ['**/node_modules/**'],
  }),
];
const fences = documents.flatMap(readFences);

rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });
cpSync('tools/readme', output, { recursive: true });
const names = new Map<string, Fence>();
for (const [index, fence] of fences.entries()) {
  const name = `fence-${index}.ts`;
  names.set(name, fence);
  // Each fence is a module of its own, whether or not it imports anything.
  writeFileSync(join(output, name), `${fence.code}\nexport {};\n`);
}
writeFileSync(
  join(output, 'tsconfig.json'),
  JSON.stringify({
    extends: '../../tsconfig.test.json',
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ['*.ts'],
    exclude: [],
  }),
);

if (fences.length === 0) {
  console.error('readme: no TypeScript fences found, so nothing was checked');
  process.exitCode = 1;
} else {
  try {
    execFileSync('tsc', ['-p', join(output, 'tsconfig.json'), '--pretty', 'false'], { encoding: 'utf8' });
    console.log(`readme: ${fences.length} fences in ${documents.length} documents compile`);
  } catch (error) {
    const report = (error as { stdout?: string }).stdout ?? String(error);
    console.error(
      report.replaceAll(/\S*(fence-\d+\.ts)\((\d+),/g, (_all, name: string, line: string) => {
        const fence = names.get(basename(name))!;
        return `${fence.file}(${fence.line - 1 + Number(line)},`;
      }),
    );
    process.exitCode = 1;
  }
}
