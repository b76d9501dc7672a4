/**
 * 256-bit registers for WebAssembly: V8 can join neighbouring 128-bit operations when it compiles, behind a flag. That doubles
 * the matrix products. The flag is experimental, so it is used only on the V8 that the tests ran on, only while our own module
 * compiles, and only if its products then equal those of the 128-bit build bit for bit, in less time.
 */
import { setFlagsFromString } from 'node:v8';
import { instantiateKernels, type Kernels } from './kernels.ts';
import { webAssembly, type WasmModule } from './web-assembly.ts';

/** The V8 of Node 24. */
const testedV8 = '13.6.';

export function mayBeWide(): boolean {
  return process.arch === 'x64' && (process.versions.v8?.startsWith(testedV8) ?? false);
}

/** Compiles at once and with the optimizing compiler alone, so that no code is made after the flags are back. */
export function compileWide(bytes: Uint8Array): WasmModule {
  const flags = ['experimental-wasm-revectorize', 'no-liftoff', 'no-wasm-lazy-compilation', 'no-wasm-dynamic-tiering'];
  for (const flag of flags) setFlagsFromString(`--${flag}`);
  try {
    return new webAssembly.Module(bytes);
  } finally {
    for (const flag of flags) setFlagsFromString(flag.startsWith('no-') ? `--${flag.slice(3)}` : `--no-${flag}`);
  }
}

let verdict: boolean | undefined;

/** Whether the wide products equal the narrow ones and take less time; measured once in a process, in about a millisecond. */
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
  return areEqual && leastTime(second!, floats) < 0.85 * leastTime(first!, floats);
}

/** A (rows, 37) · B (37, 72) and Aᵀ · B of the same numbers, one after the other. */
function product(kernels: Kernels, rows: number, floats: Float32Array): Float32Array {
  const [a, b, c] = [16_384, 20_480, 24_576];
  floats.fill(0.25, c, c + 2 * rows * 72);
  kernels.multiply(rows, 72, 37, a * 4, 37, b * 4, 8, 8 * 37, c * 4, 72, true);
  kernels.multiplyTransposed(rows, 72, 37, a * 4, rows, b * 4, 72, (c + rows * 72) * 4, 72);
  return floats.slice(c, c + 2 * rows * 72);
}

/** The best of several runs, in milliseconds: what else the machine does only makes runs longer. */
function leastTime(kernels: Kernels, floats: Float32Array): number {
  let least = Infinity;
  for (let run = 0; run < 30; run++) {
    const start = performance.now();
    product(kernels, 24, floats);
    product(kernels, 24, floats);
    least = Math.min(least, performance.now() - start);
  }
  return least;
}
