/** Checks the options of the embedded backend and fills in their defaults. */
import { availableParallelism } from 'node:os';

import { check } from '@agent-lightning/core';
import { resolveModelDirectory } from '@agent-lightning/platform';

import type { Adaptation } from '../model/adaptation.ts';
import { resolveLora, type LoraOptions } from './lora-options.ts';

export interface EmbeddedOptions {
  /** A directory in the ordinary Hugging Face layout that holds a model of the Llama family, or 'smollm2' for the starter model. Read when the first policy or snapshot is asked for. */
  readonly model: string;
  /**
   * Trains adapters beside the frozen model (LoRA), which needs far less memory, or `'full'`: all weights, in float32.
   * @default 'full'
   */
  readonly lora?: LoraOptions | 'full';
  /**
   * The precision of frozen matrices, for `lora`. In bfloat16 they take two bytes a weight; weights of a checkpoint in float32 or float16
   * are rounded. Everything else is float32. @default 'auto', which is bfloat16
   */
  readonly dtype?: 'auto' | 'bfloat16' | 'float32';
  /** Worker threads of each policy, 1 to 16. @default the processors that this process may use, at most 8 */
  readonly threads?: number;
  /** The most tokens that a prompt and its answer, or a training sample, may have. @default the model's `max_position_embeddings` */
  readonly contextLength?: number;
  /** The kernels: `'relaxed'` has fused multiply-add, `'plain'` has not; `'auto'` takes the first where this runtime has it. @default 'auto' */
  readonly simd?: 'auto' | 'relaxed' | 'plain';
  /**
   * Allows kernels that use 256-bit registers, which about doubles the speed of matrix products and changes no result.
   *
   * V8 makes them only behind the experimental flag `--experimental-wasm-revectorize`, and V8's flags belong to the whole
   * process: the flag, and three that turn off V8's lazy and baseline compilers for WebAssembly, are set once, while the kernels
   * compile, for less than a second. Code that another thread compiles in that time is compiled with them too.
   *
   * They are used only on x64 with the V8 of Node 24 (13.6), in a process that was started without these flags, and only if
   * their products equal those of the 128-bit kernels bit for bit and take less time; else the 128-bit kernels run.
   * {@link EmbeddedBackend.kernels} tells which ones do. Needs `simd: 'auto'`.
   *
   * @default false
   */
  readonly wideKernels?: boolean;
}

export type ResolvedOptions = Readonly<
  Required<Omit<EmbeddedOptions, 'contextLength' | 'lora' | 'dtype'>> & {
    contextLength: number | undefined;
    adaptation: Adaptation | undefined;
  }
>;

const names: readonly (keyof EmbeddedOptions)[] = [
  'model',
  'lora',
  'dtype',
  'threads',
  'contextLength',
  'simd',
  'wideKernels',
];

/** Returns the options with their defaults. @throws {ConfigurationError} `option-invalid` naming the option and its value */
export function resolveOptions(options: EmbeddedOptions): ResolvedOptions {
  check.knownOptions('embedded', options, names);
  const { model, threads = Math.min(availableParallelism(), 8), contextLength } = options;
  const { simd = 'auto', wideKernels = false, lora = 'full', dtype = 'auto' } = options;
  if (typeof model !== 'string' || model === '')
    throw check.optionInvalid('embedded: model', JSON.stringify(model), 'the path of a model directory');
  check.wholeNumber('embedded: threads', threads, 1, 16);
  if (contextLength !== undefined) check.wholeNumber('embedded: contextLength', contextLength, 2);
  check.oneOf('embedded: simd', simd, ['auto', 'relaxed', 'plain']);
  if (typeof wideKernels !== 'boolean')
    throw check.optionInvalid('embedded: wideKernels', wideKernels, 'true or false');
  if (wideKernels && simd !== 'auto')
    throw check.optionInvalid('embedded: simd', simd, "'auto' or nothing beside wideKernels: true");
  check.oneOf('embedded: dtype', dtype, ['auto', 'bfloat16', 'float32']);
  const adaptation = resolveLora(lora, dtype === 'float32' ? 'float32' : 'bfloat16');
  if (!adaptation && dtype === 'bfloat16')
    throw check.optionInvalid('embedded: dtype', dtype, "'auto' or 'float32' without lora: weights train in float32");
  const directory = resolveModelDirectory('embedded: model', model);
  return Object.freeze({ model: directory, adaptation, threads, contextLength, simd, wideKernels });
}

/** Returns the checkpoint's own limit, or the smaller one that was asked for. */
export function resolveContextLength(asked: number | undefined, maxPositions: number): number {
  if (asked !== undefined && asked > maxPositions)
    throw check.optionInvalid(
      'embedded: contextLength',
      asked,
      `at most the model's max_position_embeddings, ${maxPositions}`,
    );
  return asked ?? maxPositions;
}
