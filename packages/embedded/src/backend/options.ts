/** What the embedded backend is told, checked once. */
import { availableParallelism } from 'node:os';

import { ConfigurationError } from '@agent-lightning/core';

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
const kernels = ['auto', 'relaxed', 'plain'];

/** @throws {ConfigurationError} `option-invalid` naming the option and its value */
export function resolveOptions(options: EmbeddedOptions): ResolvedOptions {
  const { model, threads = Math.min(availableParallelism(), 8), contextLength, simd = 'auto' } = options;
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new ConfigurationError(`embedded() has no option '${unknown}'; it has ${names.join(', ')}.`, {
      code: 'option-invalid',
    });
  if (typeof model !== 'string' || model === '') throw invalid('model', model, 'the path of a model directory');
  if (!Number.isInteger(threads) || threads < 1 || threads > 16)
    throw invalid('threads', threads, 'an integer from 1 to 16');
  if (contextLength !== undefined && (!Number.isInteger(contextLength) || contextLength < 2))
    throw invalid('contextLength', contextLength, 'an integer of at least 2');
  if (!kernels.includes(simd)) throw invalid('simd', simd, kernels.join(', '));
  return Object.freeze({ model, threads, contextLength, simd });
}

/** The checkpoint's own limit, or the smaller one that was asked for. */
export function resolveContextLength(asked: number | undefined, maxPositions: number): number {
  if (asked !== undefined && asked > maxPositions)
    throw invalid('contextLength', asked, `at most the model's max_position_embeddings, ${maxPositions}`);
  return asked ?? maxPositions;
}

function invalid(name: string, value: unknown, expected: string): ConfigurationError {
  return new ConfigurationError(`embedded(): ${name} is ${JSON.stringify(value)}; expected ${expected}.`, {
    code: 'option-invalid',
  });
}
