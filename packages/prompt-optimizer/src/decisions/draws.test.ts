import { expect, it } from 'vitest';
import { drawSome, drawWeighted } from './draws.ts';

it('draws in proportion to the weights', () => {
  const at = (number: number): string => drawWeighted(['a', 'b', 'c'], [1, 0, 3], () => number);
  expect([0, 0.24, 0.25, 0.99].map(at)).toEqual(['a', 'a', 'c', 'c']);
});

it.each([[[0, 0]], [[-1, 3]]])('draws every item alike by the weights %j', (weights) => {
  expect([0, 0.49, 0.5, 0.99].map((number) => drawWeighted(['a', 'b'], weights, () => number))).toEqual([
    'a',
    'a',
    'b',
    'b',
  ]);
});

it('draws different items, and all where there are too few', () => {
  expect(drawSome(['a', 'b', 'c'], 2, () => 0.5)).toEqual(['b', 'c']);
  expect(drawSome(['a', 'b'], 5, () => 0)).toEqual(['a', 'b']);
});
