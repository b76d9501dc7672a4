/** What tests of the worker train on, and how they compare what comes out. */
import type { TrainingSample } from '@agent-lightning/core';

/** Rows that share beginnings, with prompts, advantages of both signs, and temperatures of their own. */
export const mixedRows: readonly TrainingSample[] = [
  [5, 17, 250, 31, 8, 99],
  [5, 17, 250, 77],
  [5, 17, 12, 4, 4, 200, 201, 202, 203],
].map((ids, index) => ({
  tokens: Int32Array.from(ids),
  lossMask: Uint8Array.from(ids, (_, t) => (t < 2 ? 0 : 1)),
  logprobs: Float32Array.from(ids, (_, t) => (t < 2 ? 0 : -5.5 - 0.1 * ((t + index) % 3))),
  advantages: Float32Array.from(ids, (_, t) => (t < 2 ? 0 : (t + index) % 2 === 0 ? 1 : -0.6)),
  temperature: [1, 0.7, 1.3][index]!,
}));

/** Returns the largest difference between two lists of equal shape. */
export function gap(left: readonly Float32Array[], right: readonly Float32Array[]): number {
  return Math.max(
    ...left.map((values, index) =>
      values.reduce((most, value, t) => Math.max(most, Math.abs(value - (right[index]?.[t] ?? Number.NaN))), 0),
    ),
  );
}
