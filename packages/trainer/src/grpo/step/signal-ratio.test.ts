import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addSignal, gateOf, rollingSignal, signalRatio, type RollingSignal } from './signal-ratio.ts';

const after = (ratios: readonly number[]): RollingSignal => ratios.reduce(addSignal, rollingSignal);

describe('signalRatio', () => {
  it('is the gain on the unseen half over that on the seen one, within ±1', () => {
    expect(signalRatio({ seen: 0.2, unseen: 0.1 })).toBeCloseTo(0.5, 12);
    expect(signalRatio({ seen: 0.2, unseen: -0.1 })).toBeCloseTo(-0.5, 12);
    expect(signalRatio({ seen: 1e-9, unseen: 1 })).toBe(1);
    expect(signalRatio({ seen: 1e-9, unseen: -1 })).toBe(-1);
  });

  it('says nothing of a step that did not help its own half', () => {
    expect(signalRatio({ seen: 0, unseen: 0.1 })).toBeUndefined();
    expect(signalRatio({ seen: -0.1, unseen: 0.1 })).toBeUndefined();
  });
});

describe('the running mean', () => {
  it('begins at nothing with the weight of two', () => {
    expect(rollingSignal).toEqual({ mean: 0, weight: 2 });
    const next = addSignal(rollingSignal, 1);
    expect(next.weight).toBeCloseTo(2.8, 12);
    expect(next.mean).toBeCloseTo(1 / 2.8, 12);
  });

  it('equals the weighted mean of all that came, the newest heaviest', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { maxLength: 40 }), (ratios) => {
        const count = ratios.length;
        const weights = ratios.map((_, index) => 0.9 ** (count - 1 - index));
        const start = 2 * 0.9 ** count;
        const total = weights.reduce((sum, weight) => sum + weight, start);
        const mean = ratios.reduce((sum, ratio, index) => sum + ratio * weights[index]!, 0) / total;
        expect(after(ratios).mean).toBeCloseTo(mean, 10);
      }),
    );
  });
});

describe('the gate', () => {
  it('is open until a ratio is measured', () => {
    expect(gateOf(rollingSignal)).toBe(1);
    expect(gateOf(after([0]))).toBe(0.05);
    expect(gateOf(after([0.7]))).toBe(1);
  });

  it('is open from a ratio of a quarter, and closes by its square to a twentieth', () => {
    expect(gateOf({ mean: 0.25, weight: 5 })).toBe(1);
    expect(gateOf({ mean: 0.1, weight: 5 })).toBeCloseTo(0.16, 12);
    expect(gateOf({ mean: 0, weight: 5 })).toBe(0.05);
    expect(gateOf({ mean: -0.5, weight: 5 })).toBe(0.05);
  });

  it('closes within some steps of noise, and opens again', () => {
    const noise = Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? 0.3 : -0.3));
    expect(gateOf(after(noise))).toBeLessThan(0.3);
    expect(gateOf(after([...noise, ...Array.from({ length: 10 }, () => 0.6)]))).toBe(1);
  });
});
