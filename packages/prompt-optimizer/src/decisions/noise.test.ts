import fc from 'fast-check';
import { expect, it } from 'vitest';
import { addRewards, errorOfGain, estimateNoise } from './noise.ts';

it('estimates noise from what ran again: two tasks with 0, 1 and 0, 0, 1', () => {
  const found = [
    ['a', 1, 0],
    ['a', 1, 1],
    ['b', 1, 0.3],
    ['b', 2, 0],
    ['b', 2, 0],
    ['b', 2, 1],
  ] as const;
  const seen = addRewards(
    {},
    found.map(([id, task, reward]) => ({ id, task, reward })),
  );
  expect(seen).toEqual({ a: { 1: [0, 1] }, b: { 1: [0.3], 2: [0, 0, 1] } });
  // (0.5 + 2/3) squares over 1 + 2 degrees of freedom
  expect(estimateNoise(seen)).toBeCloseTo((1 / 2 + 2 / 3) / 3, 12);
  expect(errorOfGain(0.25, 8)).toBe(0.25);
});

it('knows no noise where nothing ran again', () => {
  expect(estimateNoise({})).toBe(0);
  expect(estimateNoise({ a: { 1: [0], 2: [1] }, b: { 1: [1] } })).toBe(0);
});

it('is the mean over pairs of half their squared difference, where each task ran twice', () => {
  const rewards = fc.double({ min: -10, max: 10, noNaN: true });
  fc.assert(
    fc.property(fc.array(fc.tuple(rewards, rewards), { minLength: 1 }), (pairs) => {
      const seen = { a: Object.fromEntries(pairs.map((pair, task) => [task, pair])) };
      const naive = pairs.reduce((sum, [one, other]) => sum + (one - other) ** 2 / 2, 0) / pairs.length;
      expect(estimateNoise(seen)).toBeCloseTo(naive, 8);
    }),
  );
});
