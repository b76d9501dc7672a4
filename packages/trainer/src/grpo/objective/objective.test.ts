import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Loss, lossAndDerivative, toSurrogateSample } from '@agent-lightning/core';
import {
  builtInLoss,
  isTrainable,
  objectiveAndDerivative,
  type BuiltInLosses,
  type Objective,
  type ObjectiveSample,
} from './objective.ts';

/** A prompt's token, then sequences of the given lengths that follow each other without a gap. */
function sampleOf(
  lengths: readonly number[],
  logprobs: readonly number[],
  advantages: readonly number[],
  reference?: readonly number[],
): ObjectiveSample {
  const count = 1 + logprobs.length;
  let start = 1;
  return {
    tokens: Int32Array.from({ length: count }, (_, t) => t),
    lossMask: Uint8Array.from({ length: count }, (_, t) => (t === 0 ? 0 : 1)),
    logprobs: Float32Array.from([0, ...logprobs]),
    advantages: Float32Array.from([0, ...advantages]),
    tokenWeight: 0.25,
    segments: lengths.map((length) => ({ start, end: (start += length) })),
    ...(reference === undefined ? {} : { referenceLogprobs: Float32Array.from([0, ...reference]) }),
  };
}

const log2 = Math.log(2);
const objectives: readonly (Objective & { readonly title: string })[] = [
  { title: 'importance sampling', loss: { name: 'importance_sampling' } },
  { title: 'ppo', loss: { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 } },
  { title: 'cispo', loss: { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 } },
  { title: 'truncated importance sampling', loss: { name: 'truncated_importance_sampling', clipHigh: 1.2 } },
  { title: 'icepop', loss: { name: 'icepop', clipLow: 0.8, clipHigh: 1.2 } },
  { title: 'gspo', loss: { name: 'gspo', clipLow: 0.9, clipHigh: 1.1 } },
  { title: 'ppo with a dual clip', loss: { name: 'ppo', clipLow: 0.8, clipHigh: 1.2, dualClip: 1.3 } },
  { title: 'gspo with a dual clip', loss: { name: 'gspo', clipLow: 0.9, clipHigh: 1.1, dualClip: 1.3 } },
  { title: 'a mask', loss: { name: 'importance_sampling' }, sequenceMask: { low: 0.9, high: 1.1 } },
  { title: 'KL in the loss', loss: { name: 'gspo', clipLow: 0.9, clipHigh: 1.1 }, referenceKl: 0.3 },
  {
    title: 'all at once',
    loss: { name: 'icepop', clipLow: 0.8, clipHigh: 1.2 },
    sequenceMask: { low: 0.85, high: 1.15 },
    referenceKl: 0.1,
  },
];

const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: min * 1e4, max: max * 1e4 }).map((value) => value / 1e4);
const arbitraryToken = fc.record({
  q: between(-4, 0),
  move: between(-0.5, 0.5),
  away: between(-0.5, 0.5),
  advantage: between(-2, 2),
});
const arbitraryCase = fc
  .array(fc.array(arbitraryToken, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 })
  .map((sequences) => {
    const tokens = sequences.flat();
    const sample = sampleOf(
      sequences.map(({ length }) => length),
      tokens.map(({ q }) => q),
      tokens.map(({ advantage }) => advantage),
      tokens.map(({ q, away }) => q + away),
    );
    return { sample, logprobs: Float64Array.from([0, ...tokens.map(({ move }, t) => sample.logprobs[t + 1]! + move)]) };
  });

/** A second implementation: sequence by sequence, each term as it is written in the documents. */
function naive(
  sample: ObjectiveSample,
  logprobs: Float64Array,
  { loss, sequenceMask, referenceKl = 0 }: Objective,
): number {
  let total = 0;
  for (const { start, end } of sample.segments) {
    const at = Array.from({ length: end - start }, (_, index) => start + index);
    const ratios = at.map((t) => Math.exp(logprobs[t]!) / Math.exp(sample.logprobs[t]!));
    const geometric = ratios.reduce((product, ratio) => product * ratio, 1) ** (1 / ratios.length);
    if (sequenceMask !== undefined && (geometric < sequenceMask.low || geometric > sequenceMask.high)) continue;
    if (loss.name === 'gspo') {
      const advantage = at.reduce((sum, t) => sum + sample.advantages[t]!, 0);
      const clipped = geometric < loss.clipLow ? loss.clipLow : geometric > loss.clipHigh ? loss.clipHigh : geometric;
      total -= limit(Math.min(geometric * advantage, clipped * advantage), advantage, loss.dualClip);
    }
    at.forEach((t, index) => {
      const [r, lp, advantage] = [ratios[index]!, logprobs[t]!, sample.advantages[t]!];
      const clip = (low: number, high: number): number => (r < low ? low : r > high ? high : r);
      if (loss.name === 'importance_sampling') total -= r * advantage;
      if (loss.name === 'ppo')
        total -= limit(
          Math.min(r * advantage, clip(loss.clipLow, loss.clipHigh) * advantage),
          advantage,
          loss.dualClip,
        );
      if (loss.name === 'cispo') total -= clip(loss.clipLow, loss.clipHigh) * lp * advantage;
      if (loss.name === 'truncated_importance_sampling') total -= Math.min(r, loss.clipHigh) * lp * advantage;
      if (loss.name === 'icepop') total -= r < loss.clipLow || r > loss.clipHigh ? 0 : r * advantage;
      const k = Math.exp(sample.referenceLogprobs![t]!) / Math.exp(lp);
      total += referenceKl * sample.tokenWeight * (k - Math.log(k) - 1);
    });
  }
  return total;
}

/** Bounds a gain by the dual clip, where there is one. */
function limit(gain: number, advantage: number, dualClip: number | undefined): number {
  return dualClip === undefined || advantage >= 0 ? gain : Math.max(gain, dualClip * advantage);
}

describe('objectiveAndDerivative', () => {
  // Two calls in one sample: ratios 2 and 1/2 (geometric mean 1), then 4 (alone).
  const sample = sampleOf([2, 1], [-2, -2, -2], [3, 1, -2], [-2 + log2, -2 - log2, -2]);
  const logprobs = [0, -2 + log2, -2 - log2, -2 + 2 * log2];

  it('computes gspo as by hand: one ratio for each call, shared by its tokens', () => {
    const { loss, derivative, clippedTokens } = objectiveAndDerivative(sample, logprobs, {
      loss: { name: 'gspo', clipLow: 0.5, clipHigh: 1.5 },
    });
    // −min(1·4, 4) − min(4·(−2), 1.5·(−2)) = −4 + 8; the second is the unclipped one, which is the pessimistic.
    expect(loss).toBeCloseTo(4, 6);
    [0, -2, -2, 8].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 6));
    expect(clippedTokens).toBe(0);
  });

  it('gives a call that gspo clips no gradient, and counts all of its tokens', () => {
    const up = sampleOf([2, 1], [-2, -2, -2], [3, 1, 1]);
    const { loss, derivative, clippedTokens } = objectiveAndDerivative(up, [0, -2 + log2, -2 + log2, -2], {
      loss: { name: 'gspo', clipLow: 0.5, clipHigh: 1.5 },
    });
    expect(loss).toBeCloseTo(-1.5 * 4 - 1, 6);
    [0, 0, 0, -1].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 6));
    expect(clippedTokens).toBe(2);
  });

  it('bounds the ratio of a sequence under gspo, and gives it no gradient there', () => {
    const absurd = sampleOf([2], [-100, -100], [-1, -1]); // ratio e^100, and the unclipped term is the pessimistic one
    const { loss, derivative } = objectiveAndDerivative(absurd, [0, 0, 0], {
      loss: { name: 'gspo', clipLow: 0.5, clipHigh: 1.5 },
    });
    expect(loss).toBeCloseTo(2 * Math.exp(20), 0);
    expect([...derivative]).toEqual([0, 0, 0]);
  });

  it('computes truncated importance sampling as by hand: the weight is capped, the gradient stays', () => {
    const { loss, derivative, clippedTokens } = objectiveAndDerivative(sample, logprobs, {
      loss: { name: 'truncated_importance_sampling', clipHigh: 2 },
    });
    expect(loss).toBeCloseTo(-(2 * (-2 + log2) * 3 + 0.5 * (-2 - log2) - 2 * 2 * (-2 + 2 * log2)), 6);
    [0, -6, -0.5, 4].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 6));
    expect(clippedTokens).toBe(1);
  });

  it('truncates importance sampling above only: a ratio near 0 keeps its weight', () => {
    const { loss, derivative, clippedTokens } = objectiveAndDerivative(
      sampleOf([1], [-1], [8], [-1 - 3 * log2]),
      [0, -1 - 3 * log2], // ratio 1/8
      { loss: { name: 'truncated_importance_sampling', clipHigh: 2 } },
    );
    expect(loss).toBeCloseTo(-(1 / 8) * (-1 - 3 * log2) * 8, 6);
    expect(derivative[1]).toBeCloseTo(-1, 6);
    expect(clippedTokens).toBe(0);
  });

  it('computes icepop as by hand: outside its bounds a token is left out', () => {
    const { loss, derivative, clippedTokens } = objectiveAndDerivative(sample, logprobs, {
      loss: { name: 'icepop', clipLow: 0.4, clipHigh: 3 },
    });
    expect(loss).toBeCloseTo(-6.5, 6);
    [0, -6, -0.5, 0].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 6));
    expect(clippedTokens).toBe(1);
  });

  it('leaves a call out whose geometric-mean ratio is outside the mask’s bounds, and no other', () => {
    const { loss, derivative, clippedTokens } = objectiveAndDerivative(sample, logprobs, {
      loss: { name: 'importance_sampling' },
      sequenceMask: { low: 0.9, high: 1.1 },
    });
    expect(loss).toBeCloseTo(-6.5, 6);
    [0, -6, -0.5, 0].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 6));
    expect(clippedTokens).toBe(1);
  });

  it('adds the KL to the reference as by hand: k3, and nothing where policy and reference agree', () => {
    const { loss, derivative } = objectiveAndDerivative(sample, logprobs, {
      loss: { name: 'icepop', clipLow: 0.999, clipHigh: 1.001 }, // leaves nothing but the KL
      referenceKl: 0.5,
    });
    // The reference is the policy at the first two tokens; at the third e^d = 1/4.
    expect(loss).toBeCloseTo(0.5 * 0.25 * (0.25 + Math.log(4) - 1), 6);
    [0, 0, 0, 0.5 * 0.25 * 0.75].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 6));
  });

  it.each(objectives)('agrees with a second implementation: $title', (objective) => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        expect(objectiveAndDerivative(given, now, objective).loss).toBeCloseTo(naive(given, now, objective), 6);
      }),
    );
  });

  it.each(objectives.filter(({ loss }) => loss.name !== 'cispo' && loss.name !== 'truncated_importance_sampling'))(
    'has the derivative that finite differences find: $title',
    (objective) => {
      fc.assert(
        fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
          const { derivative } = objectiveAndDerivative(given, now, objective);
          const step = 1e-6;
          for (let t = 1; t < now.length; t += 1) {
            if (isNearKink(given, now, t)) continue;
            const at = (value: number): number => objectiveAndDerivative(given, now.with(t, value), objective).loss;
            expect(derivative[t]).toBeCloseTo((at(now[t]! + step) - at(now[t]! - step)) / (2 * step), 4);
          }
        }),
      );
    },
  );

  it('weighs truncated importance sampling by constants: its derivative is that of a cross entropy', () => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        const weights = given.advantages.map(
          (advantage, t) => advantage * Math.min(Math.exp(now[t]! - given.logprobs[t]!), 1.2),
        );
        const { derivative } = objectiveAndDerivative(given, now, objectives[3]!);
        derivative.forEach((value, t) => expect(value).toBeCloseTo(-weights[t]!, 5));
      }),
    );
  });

  it.each(objectives)('has the same gradient by way of a weighted cross entropy: $title', (objective) => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        const { derivative } = objectiveAndDerivative(given, now, objective);
        const surrogate = lossAndDerivative(toSurrogateSample(given, derivative), now, { name: 'cross_entropy' });
        surrogate.derivative.forEach((value, t) => expect(value).toBeCloseTo(derivative[t]!, 5));
      }),
    );
  });

  it.each(objectives.filter(({ loss }) => loss.name !== 'gspo'))(
    'does not depend on the splitting: $title',
    (objective) => {
      fc.assert(
        fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
          const parts = given.segments.map(({ start, end }) =>
            objectiveAndDerivative(cut(given, start, end), [0, ...now.slice(start, end)], objective),
          );
          expect(objectiveAndDerivative(given, now, objective).loss).toBeCloseTo(
            parts.reduce((sum, { loss }) => sum + loss, 0),
            8,
          );
        }),
      );
    },
  );

  it('treats the calls of a sample apart under gspo: each alone gives what both give together', () => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        const whole = objectiveAndDerivative(given, now, objectives[5]!);
        for (const { start, end } of given.segments) {
          const own = objectiveAndDerivative(cut(given, start, end), [0, ...now.slice(start, end)], objectives[5]!);
          own.derivative
            .slice(1)
            .forEach((value, index) => expect(value).toBeCloseTo(whole.derivative[start + index]!, 8));
        }
      }),
    );
  });

  it('refuses what it cannot compute with', () => {
    const kl: Objective = { loss: { name: 'importance_sampling' }, referenceKl: 1 };
    expect(() => objectiveAndDerivative(sampleOf([1], [-1], [1]), [0, -1], kl)).toThrow(
      /no reference log-probabilities/,
    );
    expect(() => objectiveAndDerivative(sampleOf([1], [-1], [1], [-Infinity]), [0, -1], kl)).toThrow(/is -Infinity/);
    expect(() => objectiveAndDerivative(sample, [0, 1], objectives[5]!)).toThrow(/4 tokens was given 2 values/);
    for (const name of ['gspo', 'icepop'] as const)
      expect(() => objectiveAndDerivative(sample, logprobs, { loss: { name, clipLow: 2, clipHigh: 1 } })).toThrow(
        /has the clip bounds 2 and 1/,
      );
  });
});

describe('builtInLoss', () => {
  const all: BuiltInLosses = { losses: ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'] };
  const only = (...losses: Loss['name'][]): BuiltInLosses => ({ losses });

  it('is the loss itself, or the same one by another name', () => {
    for (const { title: _, ...objective } of objectives.slice(0, 3))
      expect(builtInLoss(objective, all)).toEqual(objective.loss);
    expect(builtInLoss(objectives[3]!, all)).toEqual({ name: 'cispo', clipLow: 0, clipHigh: 1.2 });
  });

  it('is none where the backend does not have it, or the objective says more', () => {
    expect(builtInLoss(objectives[1]!, only('cispo', 'cross_entropy'))).toBeUndefined();
    for (const objective of objectives.slice(4)) expect(builtInLoss(objective, all)).toBeUndefined();
  });

  it('has a dual clip only where the backend honours it', () => {
    const dual = { loss: { name: 'ppo', clipLow: 0.8, clipHigh: 1.2, dualClip: 3 } } as const;
    expect(builtInLoss(dual, all)).toBeUndefined();
    expect(builtInLoss(dual, { ...all, dualClip: true })).toEqual(dual.loss);
    expect(isTrainable(dual, only('ppo'))).toBe(false);
    expect(isTrainable(dual, { ...only('ppo'), dualClip: true })).toBe(true);
  });

  it('says whether a backend can train the objective at all', () => {
    for (const objective of objectives) expect(isTrainable(objective, only('cross_entropy'))).toBe(true);
    expect(isTrainable(objectives[5]!, only('importance_sampling', 'ppo', 'cispo'))).toBe(false);
    expect(isTrainable(objectives[1]!, only('ppo'))).toBe(true);
  });
});

/** One sequence of a sample by itself. */
function cut(sample: ObjectiveSample, start: number, end: number): ObjectiveSample {
  const part = (values: Float32Array): number[] => Array.from(values.slice(start, end));
  return sampleOf(
    [end - start],
    part(sample.logprobs),
    part(sample.advantages),
    part(sample.referenceLogprobs as Float32Array),
  );
}

/** Tells whether a loss or a mask changes its form within a step: a token's or its sequence's ratio is at a bound. */
function isNearKink(sample: ObjectiveSample, logprobs: Float64Array, t: number): boolean {
  const { start, end } = sample.segments.find((segment) => t >= segment.start && t < segment.end)!;
  const moves = Array.from(
    { length: end - start },
    (_, index) => logprobs[start + index]! - sample.logprobs[start + index]!,
  );
  const mean = moves.reduce((sum, move) => sum + move, 0) / moves.length;
  return [0.8, 0.85, 0.9, 1.1, 1.15, 1.2, 1.3].some(
    (bound) => Math.abs(mean - Math.log(bound)) < 1e-5 || Math.abs(moves[t - start]! - Math.log(bound)) < 1e-5,
  );
}
