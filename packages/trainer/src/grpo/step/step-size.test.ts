import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  initialSizing,
  passLimit,
  rateOfNextBatch,
  rateOfNextPass,
  targetMovement,
  type PassState,
  type StepSizing,
} from './step-size.ts';

const state = (passes: number, movement: number, movementBefore: number, target: number): PassState => ({
  passes,
  movement,
  movementBefore,
  target,
});

/** A policy whose √D grows by `slope` · learning rate in each pass: what AdamW does while gradients keep their direction. */
function trainOn(
  sizing: StepSizing,
  slope: number,
  target: number,
): { readonly after: StepSizing; readonly overshoot: number } {
  let { learningRate } = sizing;
  let root = 0;
  let now = state(0, 0, 0, target);
  while (now.movement < target && now.passes < passLimit(sizing)) {
    root += slope * learningRate;
    now = state(now.passes + 1, root ** 2, now.movement, target);
    learningRate = rateOfNextPass(learningRate, now);
  }
  learningRate = rateOfNextBatch(learningRate, now, sizing.batches === 0);
  return {
    after: { ...sizing, learningRate, passes: now.passes, batches: sizing.batches + 1 },
    overshoot: now.movement / target,
  };
}

describe('the target of a movement', () => {
  it('is a twentieth of the entropy, up to a tenth of a nat a call', () => {
    expect(targetMovement({ entropy: 1, used: 64, asked: 64, gate: 1 })).toBeCloseTo(0.05, 12);
    expect(targetMovement({ entropy: 50, used: 64, asked: 64, gate: 1 })).toBeCloseTo(0.1, 12);
  });

  it('shrinks with the rollouts that carry signal, and with the gate', () => {
    expect(targetMovement({ entropy: 1, used: 16, asked: 64, gate: 0.2 })).toBeCloseTo(0.05 / 4 / 5, 12);
  });

  it('counts more rollouts than were asked for, of groups that were refilled, as all of them', () => {
    expect(targetMovement({ entropy: 1, used: 96, asked: 64, gate: 1 })).toBeCloseTo(0.05, 12);
  });
});

describe('the rate of a pass', () => {
  it('stays where the target is reached, or within eight passes', () => {
    expect(rateOfNextPass(1e-5, state(3, 0.05, 0.03, 0.05))).toBe(1e-5);
    expect(rateOfNextPass(1e-5, state(1, 0.01, 0, 0.64))).toBe(1e-5); // 7 more at 0.1 a pass
  });

  it('grows by what is left over four passes, at most fourfold', () => {
    expect(rateOfNextPass(1e-5, state(1, 0.01, 0, 1.21))).toBeCloseTo(2.5e-5, 12); // 10 more at 0.1 a pass
    expect(rateOfNextPass(1e-5, state(1, 0.01, 0, 100))).toBeCloseTo(4e-5, 12);
    expect(rateOfNextPass(1e-5, state(1, 0, 0, 1))).toBeCloseTo(4e-5, 12);
  });

  it('reads the speed from the newest pass where that was faster than the mean', () => {
    // √D went from 0.1 to 0.5: 0.4 a pass against 0.25 on average; 8.75 passes are left, not 14.
    expect(rateOfNextPass(1e-5, state(2, 0.25, 0.01, 16))).toBeCloseTo((1e-5 * 8.75) / 4, 12);
  });

  it('is corrected towards four passes a batch, by a third to one and a half', () => {
    expect(rateOfNextBatch(1e-4, state(4, 0.05, 0.03, 0.05), false)).toBeCloseTo(1e-4, 12);
    expect(rateOfNextBatch(1e-4, state(2, 0.05, 0.01, 0.05), false)).toBeCloseTo(0.5e-4, 12);
    expect(rateOfNextBatch(1e-4, state(1, 0.5, 0, 0.05), false)).toBeCloseTo(1e-4 / 3, 12);
    expect(rateOfNextBatch(1e-4, state(8, 0.01, 0.008, 0.05), false)).toBeCloseTo(1.5e-4, 12);
    expect(rateOfNextBatch(1e-4, state(8, 0, 0, 0.05), false)).toBeCloseTo(1.5e-4, 12);
  });

  it('is taken from the newest speed after the first batch, whose early passes were far too small', () => {
    // The last of 12 passes moved √D from 0.1 to 0.2: a batch of √T = 0.2 needs two such passes.
    expect(rateOfNextBatch(1e-4, state(12, 0.04, 0.01, 0.04), true)).toBeCloseTo(0.5e-4, 12);
  });

  it('has an upper bound, which a policy that nothing moves does not pass', () => {
    let rate = 1e-6;
    for (let pass = 1; pass <= 30; pass += 1) rate = rateOfNextPass(rate, state(pass, 0, 0, 0.1));
    expect(rateOfNextBatch(rate, state(30, 0, 0, 0.1), true)).toBe(0.1);
  });
});

describe('the rule', () => {
  const targets = fc.double({ min: 1e-4, max: 0.1, noNaN: true });
  /** Slopes for which the rate that needs four passes is from 1e-6 to 1e-2. */
  const wantedRates = fc.double({ min: Math.log(1e-6), max: Math.log(1e-2), noNaN: true }).map(Math.exp);

  it('finds its rate in the first batches over four decades, and never moves much too far', () => {
    fc.assert(
      fc.property(targets, wantedRates, (target, wanted) => {
        const slope = Math.sqrt(target) / (4 * wanted);
        let sizing = initialSizing(1e-6);
        for (let batch = 0; batch < 8; batch += 1) {
          const { after, overshoot } = trainOn(sizing, slope, target);
          expect(overshoot).toBeGreaterThanOrEqual(1);
          expect(overshoot).toBeLessThan(1.6);
          sizing = after;
        }
        expect(sizing.passes).toBeGreaterThanOrEqual(3);
        expect(sizing.passes).toBeLessThanOrEqual(5);
        expect(sizing.learningRate / wanted).toBeGreaterThan(0.75);
        expect(sizing.learningRate / wanted).toBeLessThan(1.35);
      }),
    );
  });

  it('comes back from a rate that is too large or too small', () => {
    fc.assert(
      fc.property(targets, fc.double({ min: 0.05, max: 6, noNaN: true }), (target, factor) => {
        const slope = Math.sqrt(target) / 4e-4;
        let sizing: StepSizing = { ...initialSizing(1e-4 * factor), batches: 5 };
        for (let batch = 0; batch < 12; batch += 1) sizing = trainOn(sizing, slope, target).after;
        expect(sizing.passes).toBeGreaterThanOrEqual(3);
        expect(sizing.passes).toBeLessThanOrEqual(5);
      }),
    );
  });
});
