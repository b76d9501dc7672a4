import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retryWaitMs } from './retry.ts';

describe('the wait before a retry', () => {
  it('doubles up to its bound, less up to half at random, and is never shorter than what the upstream asked for', () => {
    const limits = fc.record({
      maxRetries: fc.nat(10),
      retryBaseMs: fc.integer({ min: 0, max: 10_000 }),
      retryMaxMs: fc.integer({ min: 0, max: 100_000 }),
    });
    const draw = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    const asked = fc.option(fc.nat(200_000), { nil: undefined });
    fc.assert(
      fc.property(limits, draw, fc.nat(40), asked, (bounds, random, index, askedMs) => {
        const waitMs = retryWaitMs(index, askedMs, { ...bounds, random: () => random });
        const range = Math.min(bounds.retryMaxMs, bounds.retryBaseMs * 2 ** index);
        expect(waitMs).toBeCloseTo(Math.max(askedMs ?? 0, range * (1 - random / 2)), 6);
        expect(waitMs >= (askedMs ?? 0) && Number.isFinite(waitMs)).toBe(true);
      }),
    );
    const bounds = { maxRetries: 5, retryBaseMs: 500, retryMaxMs: 8_000, random: () => 0.5 };
    expect([0, 1, 2, 3, 4, 5].map((index) => retryWaitMs(index, undefined, bounds))).toEqual([
      375, 750, 1_500, 3_000, 6_000, 6_000,
    ]);
  });
});
