/** What the embedded backend is told, checked once. */
import { availableParallelism } from 'node:os';

import { check } from '@agent-lightning/core';

export interface EmbeddedOptions {
  /** A directory in the ordinary Hugging Face layout that holds a Llama model. Read when the first policy or release is asked for. */
  readonly model: string;
  /** Worker threads of each policy, 1 to 16. @default the processors that this process may use, at most 8 */
  readonly threads?: number;
  /** The most tokens that a prompt and its answer, or a training row, may have. @default the model's `max_position_embeddings` */
  readonly contextLength?: number;
  /** Which kernels: fused multiply-add where this runtime has it, or plain SIMD. @default 'auto' */
  readonly simd?: 'auto' | 'relaxed' | 'plain';
}

export type ResolvedOptions = Readonly<
  Required<Omit<EmbeddedOptions, 'contextLength'>> & { contextLength: number | undefined }
>;

const names = ['model', 'threads', 'contextLength', 'simd'];

/** @throws {ConfigurationError} `option-invalid` naming the option and its value */
export function resolveOptions(options: EmbeddedOptions): ResolvedOptions {
  const { model, threads = Math.min(availableParallelism(), 8), contextLength, simd = 'auto' } = options;
  check.knownOptions('embedded', options, names);
  if (typeof model !== 'string' || model === '')
    throw check.optionInvalid('embedded: model', JSON.stringify(model), 'the path of a model directory');
  check.wholeNumber('embedded: threads', threads, 1, 16);
  if (contextLength !== undefined) check.wholeNumber('embedded: contextLength', contextLength, 2);
  check.oneOf('embedded: simd', simd, ['auto', 'relaxed', 'plain']);
  return Object.freeze({ model, threads, contextLength, simd });
}

/** The checkpoint's own limit, or the smaller one that was asked for. */
export function resolveContextLength(asked: number | undefined, maxPositions: number): number {
  if (asked !== undefined && asked > maxPositions)
    throw check.optionInvalid(
      'embedded: contextLength',
      asked,
      `at most the model's max_position_embeddings, ${maxPositions}`,
    );
  return asked ?? maxPositions;
}
