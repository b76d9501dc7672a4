/** Compiles `assembly/` into `wasm/`, one binary for each level of SIMD; does nothing while the sources are as they were. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root: string = fileURLToPath(new URL('.', import.meta.url));
const binaries: Readonly<Record<string, readonly string[]>> = {
  plain: ['--use', 'LANES=0'],
  relaxed: ['--use', 'LANES=1', '--enable', 'relaxed-simd'],
  wide: ['--use', 'LANES=2', '--enable', 'relaxed-simd'],
};
const options: readonly string[] = [
  '--runtime',
  'stub',
  '--noAssert',
  '-O3',
  '--enable',
  'simd',
  '--enable',
  'threads',
  '--importMemory',
  '--sharedMemory',
  '--initialMemory',
  '1',
  '--maximumMemory',
  '65536',
];

/** Changes when a source or this script does. */
function fingerprint(): string {
  const hash = createHash('sha256').update(readFileSync(fileURLToPath(import.meta.url)));
  for (const name of readdirSync(`${root}assembly`).sort())
    hash.update(name).update(readFileSync(`${root}assembly/${name}`));
  return hash.digest('hex');
}

const current: string = fingerprint();
const stamp = `${root}.cache/wasm-sources.sha256`;
const outputs: readonly string[] = Object.keys(binaries).map((name) => `${root}wasm/llama-${name}.wasm`);
if (!outputs.every((path) => existsSync(path)) || !existsSync(stamp) || readFileSync(stamp, 'utf8') !== current) {
  const { default: asc } = await import('assemblyscript/asc');
  for (const folder of ['wasm', '.cache']) mkdirSync(`${root}${folder}`, { recursive: true });
  for (const [name, extra] of Object.entries(binaries)) {
    const { error, stderr } = await asc.main([
      'assembly/index.ts',
      '--baseDir',
      root,
      '-o',
      `.cache/llama-${name}.wasm`,
      ...options,
      ...extra,
    ]);
    process.stderr.write(stderr.toString());
    if (error) throw error;
    // In one move: another process may be reading.
    renameSync(`${root}.cache/llama-${name}.wasm`, `${root}wasm/llama-${name}.wasm`);
  }
  writeFileSync(stamp, current);
}
