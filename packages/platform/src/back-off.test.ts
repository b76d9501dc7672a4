import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs } from './back-off.ts';

const limits = fc
  .record({ firstMs: fc.integer({ min: 1, max: 10_000 }), factor: fc.integer({ min: 1, max: 100 }) })
  .map(({ firstMs, factor }) => ({ firstMs, longestMs: firstMs * factor }));
const failures = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 1e9 }));
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

describe('backOffMs', () => {
  it('doubles up to the limit', () => {
    const waits = [1, 2, 3, 4, 5, 1_000_000].map((each) => backOffMs(each, { firstMs: 100, longestMs: 700 }, 0));
    expect(waits).toEqual([100, 200, 400, 700, 700, 700]);
  });

  it('never becomes shorter with more failures, nor longer than the limit', () => {
    fc.assert(
      fc.property(failures, limits, random, (count, bounds, part) => {
        const wait = backOffMs(count, bounds, part);
        expect(backOffMs(count + 1, bounds, part)).toBeGreaterThanOrEqual(wait);
        expect(wait).toBeLessThanOrEqual(bounds.longestMs);
      }),
    );
  });

  it('leaves off at most half at random, and more of it for a larger number', () => {
    fc.assert(
      fc.property(failures, limits, random, (count, bounds, part) => {
        const whole = backOffMs(count, bounds, 0);
        const wait = backOffMs(count, bounds, part);
        expect(wait).toBeGreaterThanOrEqual(whole / 2);
        expect(wait).toBeCloseTo(whole - (whole * part) / 2, 5);
      }),
    );
  });

  it('draws a number of its own where none is given', () => {
    const bounds = { firstMs: 64, longestMs: 64 };
    const waits = Array.from({ length: 20 }, () => backOffMs(1, bounds));
    expect(new Set(waits).size).toBeGreaterThan(1);
    for (const wait of waits) expect(wait > 32 && wait <= 64).toBe(true);
  });
});
