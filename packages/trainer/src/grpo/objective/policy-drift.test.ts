import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrainingSample } from '@agent-lightning/core';
import { policyDrift } from './policy-drift.ts';

const sampleOf = (q: readonly number[], advantages: readonly number[]): TrainingSample => ({
  tokens: Int32Array.from([0, ...q], (_, t) => t),
  lossMask: Uint8Array.from([0, ...q], (_, t) => (t === 0 ? 0 : 1)),
  logprobs: Float32Array.from([0, ...q]),
  advantages: Float32Array.from([0, ...advantages]),
});

describe('policyDrift', () => {
  // Ratios 1, 2, 1/2 and 4 over two samples; the prompt's token is not counted, whatever stands there.
  const samples = [sampleOf([-1, -1], [1, 1]), sampleOf([-2, -2], [-1, -1])];
  const logprobs = [
    [-50, -1, -1 + Math.log(2)],
    [Number.NaN, -2 - Math.log(2), -2 + Math.log(4)],
  ];

  it('computes ratios and divergence as by hand', () => {
    const drift = policyDrift(samples, logprobs);
    expect(drift.trainedTokens).toBe(4);
    expect(drift.meanRatio).toBeCloseTo(7.5 / 4, 12);
    expect(drift.maxRatio).toBeCloseTo(4, 12);
    expect(drift.klK1).toBeCloseTo(-Math.log(4) / 4, 12);
    expect(drift.klK3).toBeCloseTo(7.5 / 4 - 1 - Math.log(4) / 4, 12);
    expect(drift.effectiveSampleShare).toBeCloseTo(7.5 ** 2 / (4 * 21.25), 12);
  });

  it('is at rest when trainer and sampler agree', () => {
    const rest = samples.map((sample) => sample.logprobs);
    expect(policyDrift(samples, rest)).toEqual({
      trainedTokens: 4,
      meanRatio: 1,
      maxRatio: 1,
      effectiveSampleShare: 1,
      klK1: 0,
      klK3: 0,
    });
    expect(policyDrift([], [])).toEqual({
      trainedTokens: 0,
      meanRatio: 1,
      maxRatio: 1,
      effectiveSampleShare: 1,
      klK1: 0,
      klK3: 0,
    });
  });

  it('never reports a negative k3, and an effective share above 0 and up to 1', () => {
    const moves = fc.array(
      fc.integer({ min: -2000, max: 2000 }).map((value) => value / 1000),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(moves, (moved) => {
        const sample = sampleOf(
          moved.map(() => -3),
          moved.map(() => 1),
        );
        const drift = policyDrift([sample], [[0, ...moved.map((move) => move - 3)]]);
        expect(drift.klK3).toBeGreaterThanOrEqual(-1e-12);
        expect(drift.effectiveSampleShare).toBeGreaterThan(0);
        expect(drift.effectiveSampleShare).toBeLessThanOrEqual(1 + 1e-12);
      }),
    );
  });

  it('refuses log-probabilities that are not the samples’', () => {
    expect(() => policyDrift(samples, [[0, 0, 0]])).toThrow(/sample 1 of 3 tokens has no log-probabilities/);
    expect(() =>
      policyDrift(samples, [
        [0, 0],
        [0, 0, 0],
      ]),
    ).toThrow(/sample 0 of 3 tokens has 2/);
    expect(() => policyDrift(samples.slice(0, 1), [[0, -Infinity, 0]])).toThrow(
      /token 1 of sample 0 has the log-probability -Infinity/,
    );
  });
});
