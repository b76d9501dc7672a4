/**
 * Compiles kernels for 256-bit registers. V8 can join neighbouring 128-bit operations when it compiles, behind an experimental
 * flag; that about doubles the speed of matrix products. V8 flags belong to the whole process, so this happens only on request,
 * only on the V8 that the tests ran on, and only while our own module compiles. The result is used only if its products equal
 * those of the 128-bit build bit for bit and take less time.
 */
import { setFlagsFromString } from 'node:v8';
import { instantiateKernels, type Kernels } from './kernels.ts';
import { webAssembly, type WasmModule } from './web-assembly.ts';

/** The V8 of Node 24. */
const testedV8 = '13.6.';

/** The first flag joins the registers. The others compile the module at once and with the optimizing compiler alone, so that no code is made after the flags are back. */
const flags = ['experimental-wasm-revectorize', 'no-liftoff', 'no-wasm-lazy-compilation', 'no-wasm-dynamic-tiering'];

/**
 * Tells whether this process may compile wide kernels: x64, the tested V8, and none of the flags given at its start, because V8
 * does not tell what a flag is, so that such a flag could not be put back.
 */
export function mayBeWide({
  arch,
  versions,
  execArgv,
  env,
}: Pick<NodeJS.Process, 'arch' | 'versions' | 'execArgv' | 'env'>): boolean {
  const given = [...execArgv, ...(env['NODE_OPTIONS'] ?? '').split(/\s+/)].map((flag) => flag.replaceAll('_', '-'));
  const names = flags.map((flag) => flag.replace(/^no-/, ''));
  const isFlagGiven = given.some((flag) => names.some((name) => flag.replace(/^--(no-?)?/, '') === name));
  return arch === 'x64' && versions.v8.startsWith(testedV8) && !isFlagGiven;
}

/** Compiles the module with the flags set, and puts V8's defaults back. It is synchronous: nothing else compiles meanwhile. */
export function compileWide(bytes: Uint8Array): WasmModule {
  for (const flag of flags) setFlagsFromString(`--${flag}`);
  try {
    return new webAssembly.Module(bytes);
  } finally {
    for (const flag of flags) setFlagsFromString(flag.startsWith('no-') ? `--${flag.slice(3)}` : `--no-${flag}`);
  }
}

let verdict: boolean | undefined;

/** Tells whether the wide products equal the narrow ones and take less time. It is measured once in a process, in about a millisecond. */
export function isWideSound(narrow: WasmModule, wide: WasmModule): boolean {
  verdict ??= compare(narrow, wide);
  return verdict;
}

function compare(narrow: WasmModule, wide: WasmModule): boolean {
  const memory = new webAssembly.Memory({ initial: 8, maximum: 8, shared: true });
  const floats = new Float32Array(memory.buffer);
  for (let i = 16_384; i < floats.length; i++) floats[i] = Math.sin(i * 12.9898) * 0.5;
  const [first, second] = [narrow, wide].map((module) => instantiateKernels(module, memory));
  const areEqual = [1, 2, 3, 8, 17].every((rows) => {
    const expected = product(first!, rows, floats);
    return product(second!, rows, floats).every((value, i) => Object.is(value, expected[i]));
  });
  if (!areEqual) return false;
  const [narrowTime, wideTime] = leastTimes([first!, second!], floats);
  return wideTime! < 0.85 * narrowTime!;
}

/** Returns A (rows, 37) · B (37, 72), then Aᵀ · B of the same numbers. */
function product(kernels: Kernels, rows: number, floats: Float32Array): Float32Array {
  const [a, b, c] = [16_384, 20_480, 24_576];
  floats.fill(0.25, c, c + 2 * rows * 72);
  kernels.multiply(rows, 72, 37, a * 4, 37, b * 4, 8, 8 * 37, c * 4, 72, true);
  kernels.multiplyTransposed(rows, 72, 37, a * 4, rows, b * 4, 72, (c + rows * 72) * 4, 72);
  return floats.slice(c, c + 2 * rows * 72);
}

/**
 * Returns the time of each one's fastest run of several, in milliseconds: other work of the machine only makes runs longer. They take turns, so
 * that it hits all of them.
 */
function leastTimes(candidates: readonly Kernels[], floats: Float32Array): number[] {
  const least = candidates.map(() => Infinity);
  for (let run = 0; run < 60; run++) {
    for (const [i, kernels] of candidates.entries()) {
      const start = performance.now();
      product(kernels, 24, floats);
      product(kernels, 24, floats);
      least[i] = Math.min(least[i]!, performance.now() - start);
    }
  }
  return least;
}
