import fc from 'fast-check';
import { expect, it } from 'vitest';
import { meanScore } from './candidate.ts';
import { findFronts, removeDominated, weighParents } from './pareto-front.ts';

it('draws parents by their places in the fronts: the example of the GEPA sources', () => {
  const pool = [{ scores: [1, 0, 0, 0, 1] }, { scores: [1, 1, 0, 1, 0] }, { scores: [0, 0, 1, 1, 0] }];
  expect(findFronts(pool)).toEqual([[0, 1], [1], [2], [1, 2], [0]]);
  expect([...weighParents(pool)]).toEqual([
    [0, 2 / 7],
    [1, 3 / 7],
    [2, 2 / 7],
  ]);
});

it('removes a candidate that is nowhere the only best one', () => {
  const fronts = [
    [0, 1],
    [1, 2],
    [1, 2],
  ];
  expect(removeDominated(fronts, [0.1, 0.9, 0.5])).toEqual([[1], [1], [1]]);
});

it('keeps in every front one of those that were in it, and no candidate that could go', () => {
  const scores = fc.array(fc.array(fc.constantFrom(0, 0.5, 1), { minLength: 4, maxLength: 4 }), {
    minLength: 1,
    maxLength: 9,
  });
  fc.assert(
    fc.property(scores, (rows) => {
      const pool = rows.map((row) => ({ scores: row }));
      const fronts = findFronts(pool);
      const left = removeDominated(fronts, pool.map(meanScore));
      for (const [task, front] of left.entries()) {
        expect(front.length).toBeGreaterThan(0);
        expect(fronts[task]).toEqual(expect.arrayContaining([...front]));
      }
      for (const each of new Set(left.flat()))
        expect(left.some((front) => front.length === 1 && front[0] === each)).toBe(true);
      const total = [...weighParents(pool).values()].reduce((sum, share) => sum + share, 0);
      expect(total).toBeCloseTo(1, 12);
    }),
  );
});
