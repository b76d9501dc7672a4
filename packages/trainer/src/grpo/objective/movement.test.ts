import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entropyOf, movementOf } from './movement.ts';

/** A sample of calls whose responses have these lengths, each after one token of context. */
function sampleOf(lengths: readonly number[], logprobs?: readonly number[]): Parameters<typeof entropyOf>[0][number] {
  const lossMask = Uint8Array.from(lengths.flatMap((length) => [0, ...Array.from({ length }, () => 1)]));
  let start = 0;
  const segments = lengths.map((length, callIndex) => {
    start += 1;
    const segment = { callIndex, policyVersion: 0, start, end: start + length, advantage: 1 };
    start += length;
    return segment;
  });
  return {
    tokens: new Int32Array(lossMask.length),
    lossMask,
    logprobs: Float32Array.from(lossMask, (mask, t) => (mask === 0 ? 0 : (logprobs?.[t] ?? -1))),
    advantages: new Float32Array(lossMask.length),
    segments,
  };
}

describe('movementOf', () => {
  it('adds half the squared changes of a call’s tokens, and takes the mean over calls', () => {
    const samples = [sampleOf([2, 1]), sampleOf([1])];
    const before = samples.map(({ tokens }) => new Float32Array(tokens.length));
    const now = [Float32Array.of(9, 1, 2, 9, 3), Float32Array.of(9, 0)];
    expect(movementOf(samples, before, now)).toBeCloseTo((0.5 + 2 + 4.5 + 0) / 3, 12); // what is not trained does not count
  });

  it('is 0 without samples, and for weights that have not changed', () => {
    expect(movementOf([], [], [])).toBe(0);
    const lp = [Float32Array.of(0, -1, -2)];
    expect(movementOf([sampleOf([2])], lp, lp)).toBe(0);
  });

  it('equals, to second order, the KL between two distributions over the calls’ replies', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 2, maxLength: 6 }),
        (directions) => {
          const softmax = (logits: readonly number[]): readonly number[] => {
            const total = logits.reduce((sum, logit) => sum + Math.exp(logit), 0);
            return logits.map((logit) => Math.exp(logit) / total);
          };
          const old = softmax(directions.map((_, index) => index / 3));
          const moved = softmax(directions.map((direction, index) => index / 3 + 1e-3 * direction));
          const kl = old.reduce((sum, p, index) => sum + p * Math.log(p / moved[index]!), 0);
          // The expectation over replies of one token, each as a batch of one call.
          const mean = old.reduce(
            (sum, p, index) =>
              sum + p * movementOf([sampleOf([1])], [[0, Math.log(p)]], [[0, Math.log(moved[index]!)]]),
            0,
          );
          expect(mean).toBeCloseTo(kl, 9);
        },
      ),
    );
  });

  it('refuses a number that is not finite, and another length', () => {
    const samples = [sampleOf([1])];
    expect(() => movementOf(samples, [[0, -1]], [[0, Number.NaN]])).toThrow(
      expect.objectContaining({ code: 'numerics' }),
    );
    expect(() => movementOf(samples, [[0, -1]], [])).toThrow(expect.objectContaining({ code: 'samples-invalid' }));
  });
});

describe('entropyOf', () => {
  it('adds what each token cost when it was drawn, and takes the mean over calls', () => {
    expect(entropyOf([sampleOf([2, 1], [0, -1, -0.5, 0, -2]), sampleOf([1], [0, -0.5])])).toBeCloseTo(4 / 3, 6);
    expect(entropyOf([])).toBe(0);
  });
});
