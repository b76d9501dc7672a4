/** Which binary of the kernels this machine gets. */
import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '@agent-lightning/core';
import { webAssembly, type WasmModule } from './web-assembly.ts';

export type SimdLevel = 'plain' | 'relaxed';

/** `(func (result v128) (f32x4.relaxed_madd …))`: valid only where relaxed SIMD is on. */
const relaxedProbe = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0,
  10, 19, 1, 17, 0, 65, 0, 253, 17, 65, 0, 253, 17, 65, 0, 253, 17, 253, 133, 2, 11,
);

/** Whether this runtime compiles fused multiply-add. */
export function hasRelaxedSimd(): boolean {
  return webAssembly.validate(relaxedProbe);
}

/** The kernels to use. @throws ConfigurationError `option-invalid` when fused ones are asked for and missing */
export function chooseSimd(wanted: 'auto' | SimdLevel): SimdLevel {
  if (wanted === 'plain') return 'plain';
  if (hasRelaxedSimd()) return 'relaxed';
  if (wanted === 'auto') return 'plain';
  throw new ConfigurationError("The option simd is 'relaxed', but this runtime has no relaxed SIMD: use 'auto' or 'plain'.", { code: 'option-invalid' });
}

export async function compileKernels(level: SimdLevel): Promise<WasmModule> {
  const bytes = await readFile(new URL(`../../wasm/llama-${level}.wasm`, import.meta.url));
  return await webAssembly.compile(bytes);
}
