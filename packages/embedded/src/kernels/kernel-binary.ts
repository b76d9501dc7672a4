/** Which binary of the kernels this machine gets. */
import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '@agent-lightning/core';
import { compileWide, isWideSound, mayBeWide } from './wide-kernels.ts';
import { webAssembly, type WasmModule } from './web-assembly.ts';

/**
 * - `plain`: 128-bit SIMD
 * - `relaxed`: the same with fused multiply-add
 * - `wide`: fused, and joined by V8 into 256-bit registers; the same results as `relaxed`, bit for bit
 */
export type SimdLevel = 'plain' | 'relaxed' | 'wide';

/** A function that multiplies and adds three vectors in one instruction: valid only where relaxed SIMD is on. */
const relaxedProbe = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  19,
  1,
  17,
  0,
  65,
  0,
  253,
  17,
  65,
  0,
  253,
  17,
  65,
  0,
  253,
  17,
  253,
  133,
  2,
  11,
);

const compiled = new Map<SimdLevel, Promise<WasmModule>>();

/** The fastest kernels that this runtime has, or those that were asked for. @throws ConfigurationError `option-invalid` where they are missing */
export async function loadKernels(wanted: 'auto' | SimdLevel): Promise<WasmModule> {
  const hasRelaxed = webAssembly.validate(relaxedProbe);
  if (wanted === 'auto') {
    if (!hasRelaxed) return await compile('plain');
    return (await isWideFit()) ? await compile('wide') : await compile('relaxed');
  }
  if (wanted !== 'plain' && !hasRelaxed) {
    throw new ConfigurationError(
      `The option simd is '${wanted}', but this runtime has no relaxed SIMD: use 'auto' or 'plain'.`,
      { code: 'option-invalid' },
    );
  }
  if (wanted === 'wide' && !(await isWideFit())) {
    throw new ConfigurationError(
      "The option simd is 'wide', but this runtime does not join registers soundly or gains nothing from it: use 'auto'.",
      { code: 'option-invalid' },
    );
  }
  return await compile(wanted);
}

async function isWideFit(): Promise<boolean> {
  return mayBeWide() && isWideSound(await compile('relaxed'), await compile('wide'));
}

async function compile(level: SimdLevel): Promise<WasmModule> {
  let module = compiled.get(level);
  if (!module) {
    module = readFile(new URL(`../../wasm/llama-${level}.wasm`, import.meta.url)).then((bytes) =>
      level === 'wide' ? compileWide(bytes) : webAssembly.compile(bytes),
    );
    compiled.set(level, module);
  }
  return await module;
}
