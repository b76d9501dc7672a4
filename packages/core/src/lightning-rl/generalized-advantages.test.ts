import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { estimateGeneralizedAdvantages, whiten } from './generalized-advantages.ts';

const eighths = fc.integer({ min: -8, max: 8 }).map((value) => value / 8);
const share = fc.integer({ min: 0, max: 8 }).map((value) => value / 8);
const sequence = fc
  .array(fc.record({ reward: eighths, value: eighths, mask: fc.integer({ min: 0, max: 1 }) }), {
    minLength: 1,
    maxLength: 9,
  })
  .map((tokens) => ({
    rewards: tokens.map(({ reward }) => reward),
    values: tokens.map(({ value }) => value),
    mask: tokens.map(({ mask }) => mask),
  }));
const options = fc.record({ discount: share, lambda: share });

/** A second implementation: the mean of all n-step estimates, weighed by λ, over the sampled tokens alone. */
function naiveAdvantages(
  rewards: readonly number[],
  values: readonly number[],
  { discount, lambda }: { readonly discount: number; readonly lambda: number },
): number[] {
  return values.map((value, t) => {
    const left = values.length - t;
    const estimates = Array.from({ length: left }, (_, index) => {
      const steps = index + 1;
      const earned = rewards.slice(t, t + steps).reduce((sum, reward, i) => sum + discount ** i * reward, 0);
      return earned + discount ** steps * (values[t + steps] ?? 0) - value;
    });
    const weights = estimates.map((_, index) => (index < left - 1 ? (1 - lambda) * lambda ** index : lambda ** index));
    return estimates.reduce((sum, estimate, index) => sum + weights[index]! * estimate, 0);
  });
}

describe('estimateGeneralizedAdvantages', () => {
  it('is what one computes by hand', () => {
    const given = { rewards: [0, 0, 1], values: [0.5, 0.25, 0.75], mask: [1, 1, 1] };
    const { advantages, targets } = estimateGeneralizedAdvantages(given, { discount: 1, lambda: 0.5 });
    // δ = (0.25 − 0.5, 0.75 − 0.25, 1 − 0.75) = (−0.25, 0.5, 0.25)
    expect([...advantages]).toEqual([-0.25 + 0.5 * 0.625, 0.5 + 0.5 * 0.25, 0.25]);
    expect([...targets]).toEqual([0.5625, 0.875, 1]);
  });

  it('agrees with the weighted mean of all n-step estimates', () => {
    fc.assert(
      fc.property(sequence, options, ({ rewards, values }, chosen) => {
        const mask = values.map(() => 1);
        const { advantages } = estimateGeneralizedAdvantages({ rewards, values, mask }, chosen);
        naiveAdvantages(rewards, values, chosen).forEach((value, t) => expect(advantages[t]).toBeCloseTo(value, 10));
      }),
    );
  });

  it('skips tokens that were not sampled, which have the advantage of the next sampled one', () => {
    fc.assert(
      fc.property(sequence, options, ({ rewards, values, mask }, chosen) => {
        const isKept = (_: number, t: number): boolean => mask[t] === 1;
        const all = estimateGeneralizedAdvantages({ rewards, values, mask }, chosen).advantages;
        const kept = { rewards: rewards.filter(isKept), values: values.filter(isKept), mask: mask.filter(isKept) };
        expect(all.filter(isKept)).toEqual(estimateGeneralizedAdvantages(kept, chosen).advantages);
        mask.forEach((bit, t) => expect(bit === 0 ? all[t] : 0).toBe(bit === 0 ? (all[t + 1] ?? 0) : 0));
      }),
    );
  });

  it('with λ = 1 is the discounted reward-to-go less the value', () => {
    fc.assert(
      fc.property(sequence, share, ({ rewards, values }, discount) => {
        const mask = values.map(() => 1);
        const { targets } = estimateGeneralizedAdvantages({ rewards, values, mask }, { discount, lambda: 1 });
        rewards.forEach((_, t) => {
          const earned = rewards.slice(t).reduce((sum, reward, index) => sum + discount ** index * reward, 0);
          expect(targets[t]).toBeCloseTo(earned, 10);
        });
      }),
    );
  });

  it('is 0 everywhere for a critic that knows what will be earned, whatever λ is', () => {
    fc.assert(
      fc.property(sequence, options, ({ rewards, mask }, chosen) => {
        const none = { rewards, values: rewards.map(() => 0), mask };
        const values = estimateGeneralizedAdvantages(none, { ...chosen, lambda: 1 }).targets;
        const { advantages } = estimateGeneralizedAdvantages({ rewards, values, mask }, chosen);
        mask.forEach((bit, t) => expect(bit === 1 ? advantages[t] : 0).toBeCloseTo(0, 10));
      }),
    );
  });
});

describe('whiten', () => {
  it('gives mean 0 and sample deviation 1', () => {
    fc.assert(
      fc.property(fc.array(eighths, { minLength: 2, maxLength: 9 }), (numbers) => {
        fc.pre(new Set(numbers).size > 1);
        const white = whiten(Float64Array.from(numbers));
        expect(white.reduce((sum, value) => sum + value, 0)).toBeCloseTo(0, 9);
        expect(white.reduce((sum, value) => sum + value ** 2, 0) / (numbers.length - 1)).toBeCloseTo(1, 4);
      }),
    );
  });

  it('does not blow up what differs by less than the floor', () => {
    const white = whiten(Float64Array.of(0.5, 0.5001, 0.4999), 0.01);
    expect(white.every((value) => Math.abs(value) <= 0.0100001)).toBe(true);
  });

  it('makes 0 of one number', () => {
    expect([...whiten(Float64Array.of(7))]).toEqual([0]);
  });
});
