import { expect, it } from 'vitest';
import { compareSizes, type MeasuredSize } from './growth.ts';

it('names the operations of the hot path that grow more than twice as much as log n', () => {
  const size = (rollouts: number, medians: Readonly<Record<string, number>>): MeasuredSize => ({
    rollouts,
    operations: Object.fromEntries(Object.entries(medians).map(([name, medianMs]) => [name, { medianMs, p99Ms: 0 }])),
  });
  const small = size(100, { claim: 1, wait: 1, page: 1 });
  const middle = size(1_000, { claim: 9, wait: 9, page: 9 });
  const large = size(10_000, { claim: 4, wait: 4.1, page: 50 });
  const found = { growth: { claim: 4, wait: 4.1, page: 50 }, logGrowth: 2, steep: ['wait'] };
  expect(compareSizes([small, middle, large])).toEqual(found);
  expect(compareSizes([large, small, middle])).toEqual(found);
});
