import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { takeInTurns } from './take-in-turns.ts';

const kinds = ['a', 'b', 'c'] as const;
const items = fc.uniqueArray(fc.record({ kind: fc.constantFrom(...kinds), id: fc.nat() }), {
  selector: ({ id }) => id,
  minLength: 1,
});

describe('takeInTurns', () => {
  it('gives every item once, whatever the seed, and the same for the same seed', () => {
    fc.assert(
      fc.property(items, fc.nat(), (all, seed) => {
        const taken = takeInTurns('items', all, kinds, seed);
        expect(new Set(taken)).toEqual(new Set(all));
        expect(taken).toHaveLength(all.length);
        expect(takeInTurns('items', all, kinds, seed)).toEqual(taken);
      }),
    );
  });

  it('gives each kind its turn until it has no more', () => {
    fc.assert(
      fc.property(items, fc.nat(), fc.nat(), (all, seed, some) => {
        const count = some % (all.length + 1);
        const taken = takeInTurns('items', all, kinds, seed, count);
        const left = (kind: string): number =>
          all.filter((item) => item.kind === kind).length - taken.filter((item) => item.kind === kind).length;
        const counts = kinds.map((kind) => taken.filter((item) => item.kind === kind).length);
        const most = Math.max(...counts);
        kinds.forEach((kind, i) => expect(counts[i]! >= most - 1 || left(kind) === 0).toBe(true));
        expect(taken).toHaveLength(count);
      }),
    );
  });

  it('says so when there are not enough', () => {
    expect(() => takeInTurns('held-out items', [{ kind: 'a' }], kinds, 0, 2)).toThrow(
      '2 held-out items were asked for, and there are 1.',
    );
  });
});
