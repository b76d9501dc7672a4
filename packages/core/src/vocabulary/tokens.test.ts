import { describe, expect, it } from 'vitest';
import { isLogprob } from './tokens.ts';

describe('isLogprob', () => {
  it.each([0, -0, -3.5, -80, 1e-3])('takes %d', (value) => expect(isLogprob(value)).toBe(true));

  it.each([1.1e-3, 0.5, Infinity, -80.1, -9999, -1e30, -Infinity, Number.NaN])('takes no %d', (value) =>
    expect(isLogprob(value)).toBe(false),
  );

  it('takes only those whose importance ratio a float32 can hold', () => {
    expect(Math.fround(1 / Math.exp(-80))).toBeLessThan(Infinity);
  });
});
