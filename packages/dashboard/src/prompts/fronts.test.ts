import fc from 'fast-check';
import { expect, it } from 'vitest';
import { findLeaders, findUndominated } from './fronts.ts';

const row = fc.array(fc.constantFrom(0, 0.5, 1), { minLength: 3, maxLength: 3 });

it('finds on each task those that nobody beats, and never one whose scores are not known', () => {
  fc.assert(
    fc.property(fc.array(fc.option(row, { nil: undefined }), { maxLength: 6 }), (rows) => {
      const candidates = rows.map((scores) => (scores === undefined ? {} : { scores }));
      const leaders = findLeaders(candidates, 3);
      expect(leaders).toHaveLength(3);
      for (const [task, front] of leaders.entries())
        for (const [position, scores] of rows.entries()) {
          const isLeader = scores !== undefined && rows.every((other) => (other?.[task] ?? 0) <= scores[task]!);
          expect(front.includes(position)).toBe(isLeader);
        }
    }),
  );
});

it('finds the front of several dimensions as a comparison of all pairs does', () => {
  const point = fc.record({ right: fc.nat(3), short: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 7 }), (points) => {
      const beats = (one: (typeof points)[number], other: (typeof points)[number]): boolean =>
        one.right >= other.right && one.short >= other.short && one.right + one.short > other.right + other.short;
      const expected = points.flatMap((own, position) => (points.some((other) => beats(other, own)) ? [] : [position]));
      expect([...findUndominated(points)]).toEqual(expected);
    }),
  );
});
