import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { detectableGain, estimateMean, rewardInterval } from './reward-interval.ts';
import { studentQuantile } from './student-t.ts';

describe('studentQuantile', () => {
  it('equals the tables', () => {
    const tables = [
      [0.975, 1, 12.70620474],
      [0.975, 2, 4.30265273],
      [0.975, 5, 2.57058184],
      [0.975, 10, 2.22813885],
      [0.975, 30, 2.04227246],
      [0.975, 101, 1.983731],
      [0.975, 1_000, 1.96233908],
      [0.8, 1, 1.37638192],
      [0.8, 10, 0.87905783],
      [0.5, 7, 0],
    ] as const;
    for (const [probability, degrees, value] of tables)
      expect(studentQuantile(probability, degrees)).toBeCloseTo(value, 6);
  });

  it('has the probability below it that the density gives, integrated step by step', () => {
    for (const degrees of [1, 2, 3, 4, 9, 24]) {
      const t = studentQuantile(0.9, degrees);
      const density = (x: number): number => (1 + (x * x) / degrees) ** (-(degrees + 1) / 2);
      const integrate = (to: number, steps: number): number => {
        let area = 0;
        for (let step = 0; step < steps; step++) area += density(((step + 0.5) / steps) * to) * (to / steps);
        return area;
      };
      // P(0 ≤ T ≤ t) over P(0 ≤ T ≤ t'), where t' is the quantile of 0.95: the constant of the density cancels.
      const farther = studentQuantile(0.95, degrees);
      expect(integrate(t, 4_000) / integrate(farther, 4_000)).toBeCloseTo(0.4 / 0.45, 5);
    }
  });
});

describe('estimateMean', () => {
  it('is Student’s interval with half a task at each limit', () => {
    // m = (1 + 0 + 1 + 1 + ½) / 5 = 0.7; squares = 3 · 0.09 + 0.49 + (0.49 + 0.09)/2 = 1.05; e = √(1.05 / 4 / 5)
    const { interval, error } = estimateMean([1, 0, 1, 1], [0, 1]);
    expect(error).toBeCloseTo(Math.sqrt(1.05 / 20), 12);
    expect(interval[0]).toBeCloseTo(0.7 - 2.77644511 * error, 6);
    expect(interval[1]).toBe(1);
  });

  it('equals the one that is computed from every task twice and each limit once', () => {
    const values = fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(values, (given) => {
        const twice = [...given, ...given, -1, 1];
        const mean = twice.reduce((sum, value) => sum + value, 0) / twice.length;
        const squares = twice.map((value) => (value - mean) ** 2).reduce((sum, square) => sum + square, 0) / 2;
        const error = Math.sqrt(squares / given.length / (given.length + 1));
        const estimate = estimateMean(given, [-1, 1]);
        const reach = studentQuantile(0.975, given.length) * error;
        expect(estimate.error).toBeCloseTo(error, 10);
        expect(estimate.interval[0]).toBeCloseTo(Math.max(-1, mean - reach), 10);
        expect(estimate.interval[1]).toBeCloseTo(Math.min(1, mean + reach), 10);
      }),
    );
  });

  it('holds the mean of the values', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }), (rewards) => {
        const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
        const [low, high] = rewardInterval(rewards);
        expect(low).toBeLessThanOrEqual(mean + 1e-9);
        expect(high).toBeGreaterThanOrEqual(mean - 1e-9);
      }),
    );
  });
});

describe('rewardInterval', () => {
  it('has a width also where all rewards are equal', () => {
    const [low, high] = rewardInterval(Array.from({ length: 16 }, () => 0));
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(0.05);
    expect(high).toBeLessThan(0.2);
    expect(rewardInterval([5, 5])[1]).toBe(5);
  });

  it('is near 1.96 standard errors where there are many tasks', () => {
    const rewards = Array.from({ length: 1_000 }, (_, index) => (index % 10 < 7 ? 1 : 0));
    const [low, high] = rewardInterval(rewards);
    expect((high - low) / 2).toBeCloseTo(1.962 * Math.sqrt(0.21 / 1_000), 3);
  });
});

describe('detectableGain', () => {
  it('is 2.8 standard errors where there are many tasks', () => {
    expect(detectableGain(0.01, 100_000)).toBeCloseTo(0.028_01, 4);
  });
});
