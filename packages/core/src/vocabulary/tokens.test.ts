import { describe, expect, it } from 'vitest';
import { isLogprob } from './tokens.ts';

describe('isLogprob', () => {
  it.each([0, -0, -3.5, -1e30, 1e-3])('takes %d', (value) => expect(isLogprob(value)).toBe(true));

  it.each([1.1e-3, 0.5, Infinity, -Infinity, Number.NaN])('takes no %d', (value) =>
    expect(isLogprob(value)).toBe(false),
  );
});
