import fc from 'fast-check';
import { expect, it } from 'vitest';
import { minibatchAt, splitEpoch } from './minibatches.ts';

it('fills up the last minibatch of an epoch with the first tasks of it', () => {
  expect(splitEpoch([4, 2, 0, 3, 1], 3)).toEqual([
    [4, 2, 0],
    [3, 1, 4],
  ]);
});

it('has every task in every epoch, none twice in a minibatch, and the same whenever it is asked', () => {
  const arbitrary = [fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 6 }), fc.nat(99), fc.nat(3)] as const;
  fc.assert(
    fc.property(...arbitrary, (count, size, seed, epoch) => {
      const tasks = Array.from({ length: count }, (_, index) => 10 * index);
      const perEpoch = Math.ceil(count / Math.min(size, count));
      const numbers = Array.from({ length: perEpoch }, (_, index) => epoch * perEpoch + index);
      const batches = numbers.map((number) => minibatchAt(number, tasks, size, seed));
      expect(new Set(batches.flat())).toEqual(new Set(tasks));
      for (const batch of batches) expect(new Set(batch).size).toBe(Math.min(size, count));
      expect(numbers.map((number) => minibatchAt(number, tasks, size, seed))).toEqual(batches);
    }),
  );
});
