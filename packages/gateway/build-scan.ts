/**
 * Compiles `assembly/scan.ts` into `src/fast-path/scan-binary.ts`, which is kept with the sources: whoever runs the gateway from
 * them needs no build first. With `--check` it only says whether that file is what the sources give.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root: string = fileURLToPath(new URL('.', import.meta.url));
const target = `${root}src/fast-path/scan-binary.ts`;
const options: readonly string[] = ['--runtime', 'stub', '--noAssert', '-O3', '--enable', 'simd'];

let binary: Uint8Array = new Uint8Array();
const { error, stderr } = await asc.main(['assembly/scan.ts', '--baseDir', root, '-o', 'scan.wasm', ...options], {
  writeFile: (_name: string, contents: Uint8Array) => {
    binary = contents;
  },
});
process.stderr.write(stderr.toString());
if (error !== null) throw error;

const lines: readonly string[] =
  Buffer.from(binary)
    .toString('base64')
    .match(/.{1,112}/gu) ?? [];
const source = `// Made from assembly/scan.ts by build-scan.ts; not to be edited.
export const scanBinary = \`
${lines.join('\n')}
\`;
`;
if (!process.argv.includes('--check')) writeFileSync(target, source);
else if (readFileSync(target, 'utf8') !== source)
  throw new Error(`${target} is not what assembly/scan.ts gives: run npm run build:scan -w @agent-lightning/gateway`);
