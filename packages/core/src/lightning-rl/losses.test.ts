import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Loss, TrainingSample } from '../contracts/training-backend.ts';
import { lossAndDerivative, toSurrogateSample } from './losses.ts';

const losses: Loss[] = [
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2, dualClip: 1.4 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cross_entropy' },
];

function sampleOf(mask: readonly number[], logprobs: readonly number[], advantages: readonly number[]): TrainingSample {
  return {
    tokens: Int32Array.from(mask, (_, t) => t),
    lossMask: Uint8Array.from(mask),
    logprobs: Float32Array.from(logprobs),
    advantages: Float32Array.from(advantages),
  };
}

/** Evenly spread, unlike `fc.double`, whose values are mostly tiny. */
const between = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: min * 1e4, max: max * 1e4 }).map((value) => value / 1e4);
const arbitraryToken = fc.record({
  trained: fc.boolean(),
  q: between(-4, 0),
  move: between(-0.6, 0.6),
  advantage: between(-2, 2),
});
const arbitraryCase = fc.array(arbitraryToken, { minLength: 2, maxLength: 6 }).map((tokens) => {
  const mask = tokens.map(({ trained }, t) => (t > 0 && trained ? 1 : 0));
  const sample = sampleOf(
    mask,
    tokens.map(({ q }, t) => (mask[t] ? q : 0)),
    tokens.map(({ advantage }, t) => (mask[t] ? advantage : 0)),
  );
  return { sample, logprobs: Float64Array.from(tokens, ({ move }, t) => sample.logprobs[t]! + move) };
});

/** A second implementation: the formulas of the contract, token by token, as one expression each. */
function naiveLoss(sample: TrainingSample, logprobs: Float64Array, loss: Loss): number {
  return [...sample.tokens.keys()]
    .filter((t) => sample.lossMask[t] === 1)
    .reduce((sum, t) => {
      const [lp, q, advantage] = [logprobs[t]!, sample.logprobs[t]!, sample.advantages[t]!];
      const r = Math.exp(lp) / Math.exp(q);
      if (loss.name === 'cross_entropy') return sum - advantage * lp;
      if (loss.name === 'importance_sampling') return sum - r * advantage;
      const clipped = r < loss.clipLow ? loss.clipLow : r > loss.clipHigh ? loss.clipHigh : r;
      if (loss.name === 'cispo') return sum - clipped * lp * advantage;
      const gain = Math.min(r * advantage, clipped * advantage);
      return sum - (advantage < 0 ? Math.max(gain, (loss.dualClip ?? Infinity) * advantage) : gain);
    }, 0);
}

describe('lossAndDerivative', () => {
  // Ratios 1, 2 and 1/2 at the trained tokens; advantages 3, 1 and −1. The first token is a prompt's.
  const sample = sampleOf([0, 1, 1, 1], [0, -1, -1, -1], [0, 3, 1, -1]);
  const logprobs = [-9, -1, -1 + Math.log(2), -1 - Math.log(2)];

  it('computes importance sampling as by hand', () => {
    const { loss, derivative } = lossAndDerivative(sample, logprobs, { name: 'importance_sampling' });
    expect(loss).toBeCloseTo(-(3 + 2 - 0.5), 12);
    [0, -3, -2, 0.5].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 12));
  });

  it('computes ppo as by hand: no gradient where the clip is the pessimistic one', () => {
    const { loss, derivative } = lossAndDerivative(sample, logprobs, { name: 'ppo', clipLow: 0.75, clipHigh: 1.25 });
    expect(loss).toBeCloseTo(-(3 + 1.25 - 0.75), 12);
    [0, -3, 0, 0].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 12));
  });

  it('lets ppo undo a step too far: gradient outside the bounds when the unclipped term is the pessimistic one', () => {
    const wrongWay = sampleOf([0, 1, 1], [0, -1, -1], [0, -1, 1]); // ratio 2 with A < 0, ratio 1/2 with A > 0
    const { derivative } = lossAndDerivative(wrongWay, [0, -1 + Math.log(2), -1 - Math.log(2)], {
      name: 'ppo',
      clipLow: 0.75,
      clipHigh: 1.25,
    });
    expect(derivative[1]).toBeCloseTo(2, 12);
    expect(derivative[2]).toBeCloseTo(-0.5, 12);
  });

  it('computes cispo as by hand: every token keeps a gradient, by its clipped ratio', () => {
    const { loss, derivative } = lossAndDerivative(sample, logprobs, { name: 'cispo', clipLow: 0.75, clipHigh: 1.25 });
    expect(loss).toBeCloseTo(-(-3 + 1.25 * (-1 + Math.log(2)) - 0.75 * (-1 - Math.log(2))), 12);
    [0, -3, -1.25, 0.75].forEach((value, t) => expect(derivative[t]).toBeCloseTo(value, 12));
  });

  it('computes cross entropy as by hand, without the sampling log-probabilities', () => {
    const { loss, derivative } = lossAndDerivative(
      { ...sample, logprobs: new Float32Array(4).fill(Number.NaN) },
      logprobs,
      { name: 'cross_entropy' },
    );
    expect(loss).toBeCloseTo(-(3 * -1 + (-1 + Math.log(2)) - (-1 - Math.log(2))), 12);
    expect([...derivative]).toEqual([0, -3, -1, 1]);
  });

  it.each(losses)('agrees with a second implementation: $name', (loss) => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        expect(lossAndDerivative(given, now, loss).loss).toBeCloseTo(naiveLoss(given, now, loss), 10);
      }),
    );
  });

  it.each(losses)('has the derivative that finite differences find: $name', (loss) => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        const { derivative } = lossAndDerivative(given, now, loss);
        const step = 1e-6;
        now.forEach((lp, t) => {
          if (isAtKink(given, lp, t, step)) return;
          const { sample: varied, loss: variedLoss } =
            loss.name === 'cispo' ? frozenRatios(given, now, loss) : { sample: given, loss };
          const at = (value: number): number => lossAndDerivative(varied, now.with(t, value), variedLoss).loss;
          expect(derivative[t]).toBeCloseTo((at(lp + step) - at(lp - step)) / (2 * step), 5);
        });
      }),
    );
  });

  it.each(losses)('gives masked tokens nothing: $name', (loss) => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample: given, logprobs: now }) => {
        const poisoned = now.map((lp, t) => (given.lossMask[t] === 0 ? Number.NaN : lp));
        const { loss: sum, derivative } = lossAndDerivative(given, poisoned, loss);
        expect(sum).toBeCloseTo(lossAndDerivative(given, now, loss).loss, 12);
        derivative.forEach((value, t) => {
          if (given.lossMask[t] === 0) expect(value).toBe(0);
        });
      }),
    );
  });

  it('bounds the ratio of a token on which policy and sampler disagree beyond measure, and gives it no gradient', () => {
    const absurd = sampleOf([0, 1, 1], [0, -100, -1], [0, -1, 1]); // ratios e^100 and e^-99
    for (const loss of losses.slice(0, 2)) {
      const result = lossAndDerivative(absurd, [0, 0, -100], loss);
      expect(result.loss).toBeCloseTo(Math.exp(20) - Math.exp(-20), 6);
      expect([...result.derivative].map(Math.abs)).toEqual([0, 0, 0]);
    }
  });

  it('refuses log-probabilities of another length or that are not finite', () => {
    expect(() => lossAndDerivative(sample, [0], { name: 'importance_sampling' })).toThrow(
      /4 tokens was given 1 values/,
    );
    expect(() => lossAndDerivative(sample, [0, -Infinity, 0, 0], { name: 'importance_sampling' })).toThrow(
      /value 1 of a sample is -Infinity/,
    );
  });

  it.each([
    [1.2, 0.8],
    [Number.NaN, 1.2],
    [-0.1, 1.2],
    [0.8, Infinity],
  ])('refuses the clip bounds %d and %d', (clipLow, clipHigh) => {
    expect(() => lossAndDerivative(sample, logprobs, { name: 'ppo', clipLow, clipHigh })).toThrow(
      /ppo has the clip bounds/,
    );
    expect(() => lossAndDerivative(sample, logprobs, { name: 'cispo', clipLow, clipHigh })).toThrow(
      /cispo has the clip bounds/,
    );
  });
});

describe('toSurrogateSample', () => {
  it.each(losses)('has under cross entropy the gradient of $name', (loss) => {
    fc.assert(
      fc.property(arbitraryCase, ({ sample, logprobs }) => {
        const { derivative } = lossAndDerivative(sample, logprobs, loss);
        const surrogate = lossAndDerivative(toSurrogateSample(sample, derivative), logprobs, { name: 'cross_entropy' });
        surrogate.derivative.forEach((value, t) => expect(value).toBeCloseTo(derivative[t]!, 6));
      }),
    );
  });
});

function isAtKink(sample: TrainingSample, lp: number, t: number, step: number): boolean {
  return [0.8, 1.2].some((bound) => Math.abs(lp - sample.logprobs[t]! - Math.log(bound)) < 2 * step);
}

/** The same loss with the ratios as constants, which is what CISPO's stop-gradient says: weights of a cross entropy. */
function frozenRatios(
  sample: TrainingSample,
  logprobs: Float64Array,
  bounds: { clipLow: number; clipHigh: number },
): { sample: TrainingSample; loss: Loss } {
  const ratios = logprobs.map((lp, t) =>
    Math.min(Math.max(Math.exp(lp - sample.logprobs[t]!), bounds.clipLow), bounds.clipHigh),
  );
  return {
    sample: { ...sample, advantages: sample.advantages.map((advantage, t) => advantage * ratios[t]!) },
    loss: { name: 'cross_entropy' },
  };
}
