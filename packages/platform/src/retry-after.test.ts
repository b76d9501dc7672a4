import { expect, it } from 'vitest';
import { retryAfterMs } from './retry-after.ts';

it.each<[string | null | undefined, number | undefined]>([
  ['7', 7_000],
  ['0.5', 500],
  [' 3 ', 3_000],
  ['86400', 86_400_000],
  ['-3', undefined],
  ['Sat, 31 Jan 2026 12:00:10 GMT', 10_000],
  ['Sat, 31 Jan 2026 11:00:00 GMT', 0],
  ['soon', undefined],
  ['Infinity', undefined],
  ['', undefined],
  [null, undefined],
  [undefined, undefined],
])('retryAfterMs reads %j', (header, expected) => {
  expect(retryAfterMs(header, Date.parse('2026-01-31T12:00:00Z'))).toBe(expected);
});
