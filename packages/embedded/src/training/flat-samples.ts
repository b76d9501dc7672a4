/** Distributes training samples over threads, in the arrangement that is posted to them. */
import type { TrainingSample } from '@agent-lightning/core';
import { commonPrefix, compareTokens } from '../model/token-order.ts';

/** Training samples end to end: sample i has `lengths[i]` entries of each other array. */
export interface FlatSamples {
  readonly lengths: Int32Array;
  readonly tokens: Int32Array;
  readonly lossMask: Uint8Array;
  readonly logprobs: Float32Array;
  readonly advantages: Float32Array;
  /** Absent where every sample is scored at temperature 1. */
  readonly temperatures?: Float32Array;
}

/**
 * Returns the indices of the samples that each thread gets. Samples are sorted by their tokens, so that samples with the same beginning
 * stay together. Every thread gets about the same number of tokens, where a shared beginning counts once.
 */
export function distributeSamples(samples: readonly TrainingSample[], threads: number): number[][] {
  const order = samples
    .map((_, index) => index)
    .sort((a, b) => compareTokens(samples[a]!.tokens, samples[b]!.tokens) || a - b);
  const costs = order.map((index, i) => {
    const { tokens } = samples[index]!;
    return i === 0 ? tokens.length : tokens.length - commonPrefix(tokens, samples[order[i - 1]!]!.tokens);
  });
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const shares = Array.from({ length: threads }, (): number[] => []);
  let before = 0;
  for (const [i, index] of order.entries()) {
    // A sample goes to the thread in whose share of the total its middle lies.
    const thread = total === 0 ? 0 : Math.floor(((before + costs[i]! / 2) / total) * threads);
    shares[Math.min(thread, threads - 1)]!.push(index);
    before += costs[i]!;
  }
  return shares;
}

/** Puts the samples end to end. */
export function flattenSamples(samples: readonly TrainingSample[]): FlatSamples {
  const total = samples.reduce((sum, sample) => sum + sample.tokens.length, 0);
  const isTempered = samples.some(({ temperature = 1 }) => temperature !== 1);
  const flat: FlatSamples = {
    lengths: Int32Array.from(samples, (sample) => sample.tokens.length),
    tokens: new Int32Array(total),
    lossMask: new Uint8Array(total),
    logprobs: new Float32Array(total),
    advantages: new Float32Array(total),
    ...(isTempered && { temperatures: new Float32Array(total) }),
  };
  let offset = 0;
  for (const sample of samples) {
    flat.tokens.set(sample.tokens, offset);
    flat.lossMask.set(sample.lossMask, offset);
    flat.logprobs.set(sample.logprobs, offset);
    flat.advantages.set(sample.advantages, offset);
    flat.temperatures?.fill(sample.temperature ?? 1, offset, offset + sample.tokens.length);
    offset += sample.tokens.length;
  }
  return flat;
}
