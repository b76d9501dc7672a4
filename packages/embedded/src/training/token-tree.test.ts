import fc from 'fast-check';
import { expect, it } from 'vitest';
import { compareTokens } from '../model/token-order.ts';
import type { FlatSamples } from './flat-samples.ts';
import { chunksOf, type Chunk } from './token-tree.ts';

/** Samples of few different tokens, so that many begin alike; sorted, as the engine sorts them. */
const someSamples = fc
  .array(fc.array(fc.record({ token: fc.nat(2), mask: fc.nat(1) }), { minLength: 2, maxLength: 12 }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((samples) =>
    samples.sort((a, b) =>
      compareTokens(
        Int32Array.from(a, ({ token }) => token),
        Int32Array.from(b, ({ token }) => token),
      ),
    ),
  );

function flatten(samples: readonly (readonly { token: number; mask: number }[])[]): FlatSamples {
  const total = samples.flat();
  return {
    lengths: Int32Array.from(samples, (sample) => sample.length),
    tokens: Int32Array.from(total, ({ token }) => token),
    lossMask: Uint8Array.from(samples.flatMap((sample) => sample.map(({ mask }, t) => (t === 0 ? 0 : mask)))),
    logprobs: new Float32Array(total.length),
    advantages: new Float32Array(total.length),
  };
}

/** The tokens from the root to a token of the chunk. */
function contextOf(chunk: Chunk, token: number): number[] {
  const segment = chunk.segments.find(({ start, length }) => token >= start && token < start + length)!;
  return segment.path.flatMap(({ start, length }) =>
    [...chunk.ids.subarray(start, Math.min(start + length, token + 1))].slice(
      0,
      segment.start === start ? token - start + 1 : length,
    ),
  );
}

it('gives every trained token exactly its context and target, once', () => {
  fc.assert(
    fc.property(someSamples, (samples) => {
      const flat = flatten(samples);
      const seen: number[] = [];
      for (const chunk of chunksOf(flat)) {
        for (const [i, entry] of chunk.entries.entries()) {
          seen.push(entry);
          const start = samples.findIndex((_, r) => entry < flat.lengths.subarray(0, r + 1).reduce((a, b) => a + b, 0));
          const offset = flat.lengths.subarray(0, start).reduce((a, b) => a + b, 0);
          expect(chunk.targets[i]).toBe(flat.tokens[entry]);
          expect(contextOf(chunk, chunk.predicting[chunk.predictors[i]!]!)).toEqual([
            ...flat.tokens.subarray(offset, entry),
          ]);
        }
        for (const { path, start, position } of chunk.segments) {
          expect(chunk.positions[start]).toBe(position);
          expect(path.slice(0, -1).reduce((sum, { length }) => sum + length, 0)).toBe(position);
        }
      }
      expect(seen.sort((a, b) => a - b)).toEqual(
        [...flat.lossMask.keys()].filter((entry) => flat.lossMask[entry] === 1),
      );
    }),
  );
});

it('computes a shared beginning once', () => {
  const sample = (tail: number[]): { token: number; mask: number }[] =>
    [...Array.from({ length: 50 }, () => 0), ...tail].map((token, t) => ({ token, mask: t >= 50 ? 1 : 0 }));
  const [chunk, ...others] = chunksOf(flatten([sample([0, 1, 1]), sample([1, 2, 0]), sample([1, 2, 1])]));
  expect(others).toEqual([]);
  expect(chunk!.ids).toHaveLength(50 + 2 + 2); // the last token of a sample is only predicted
  expect(chunk!.targets).toHaveLength(9);
  expect(chunk!.predicting).toHaveLength(1 + 2 + 2);
});
