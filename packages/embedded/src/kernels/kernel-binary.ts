/** Chooses and compiles the WebAssembly binary of the kernels that this machine runs. */
import { readFile } from 'node:fs/promises';
import { ConfigurationError } from '@agent-lightning/core';
import { findOwnFile } from '@agent-lightning/platform';
import { webAssembly, type WasmModule } from './web-assembly.ts';
import { compileWide, isWideSound, mayBeWide } from './wide-kernels.ts';

/**
 * The kinds of kernels:
 * - `plain`: 128-bit SIMD
 * - `relaxed`: the same with fused multiply-add
 * - `wide`: fused, and joined by V8 into 256-bit registers; the same results as `relaxed`, bit for bit
 */
export type KernelKind = 'plain' | 'relaxed' | 'wide';

/** The kernels that a caller asks for. */
export interface KernelChoice {
  /** 'auto' takes fused multiply-add where the runtime has it, else plain SIMD. @default 'auto' */
  readonly simd: 'auto' | 'relaxed' | 'plain';
  /** Allows `wide` kernels where they are sound and faster, which sets V8 flags of the process while they compile. @default false */
  readonly wideKernels: boolean;
}

/** The kernels that were chosen. */
export interface LoadedKernels {
  readonly kind: KernelKind;
  readonly module: WasmModule;
}

/** A module whose one function multiplies and adds three vectors in one instruction: valid only where relaxed SIMD is on. */
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

const compiled = new Map<KernelKind, Promise<WasmModule>>();

/** Compiles the fastest kernels that this runtime has and the choice allows. @throws ConfigurationError `option-invalid` where they are missing */
export async function loadKernels({
  simd = 'auto',
  wideKernels = false,
}: Partial<KernelChoice>): Promise<LoadedKernels> {
  const hasRelaxed = webAssembly.validate(relaxedProbe);
  if (simd === 'relaxed' && !hasRelaxed) {
    throw new ConfigurationError(
      "The option simd is 'relaxed', but this runtime has no relaxed SIMD: use 'auto' or 'plain'.",
      { code: 'option-invalid' },
    );
  }
  if (wideKernels && simd !== 'auto') {
    throw new ConfigurationError(
      `The option wideKernels is true, but simd is '${simd}': leave one of them out, because wide kernels need simd 'auto'.`,
      { code: 'option-invalid' },
    );
  }
  if (simd === 'plain' || !hasRelaxed) return await load('plain');
  return await load(wideKernels && (await isWideFit()) ? 'wide' : 'relaxed');
}

async function load(kind: KernelKind): Promise<LoadedKernels> {
  return { kind, module: await compile(kind) };
}

/** Tells whether wide kernels are allowed in this process, sound and faster. */
async function isWideFit(): Promise<boolean> {
  return mayBeWide(process) && isWideSound(await compile('relaxed'), await compile('wide'));
}

async function compile(kind: KernelKind): Promise<WasmModule> {
  let module = compiled.get(kind);
  if (!module) {
    module = readFile(findOwnFile(import.meta.url, `../../wasm/llama-${kind}.wasm`, '@agent-lightning/embedded')).then(
      (bytes) => (kind === 'wide' ? compileWide(bytes) : webAssembly.compile(bytes)),
    );
    compiled.set(kind, module);
  }
  return await module;
}
