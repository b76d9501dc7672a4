import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitHeldOut } from './held-out-tasks.ts';

const sizes = fc.tuple(fc.integer({ min: 2, max: 60 }), fc.integer({ min: 1, max: 60 }), fc.nat(100));

function split(count: number, subset: number, seed: number, step: 'best' | 'last' | undefined) {
  const verdict = step === undefined ? undefined : { samples: 4, step };
  const validation = Array.from({ length: count }, (_, index) => index);
  return splitHeldOut({ validation, validationSubset: Math.min(subset, count), verdict }, seed);
}

describe('splitHeldOut', () => {
  it('keeps the tasks of the verdict apart from those that choose the step', () => {
    fc.assert(
      fc.property(sizes, ([count, size, seed]) => {
        const { subset, selection, test } = split(count, size, seed, 'best');
        expect(new Set([...selection, ...test]).size).toBe(selection.length + test.length);
        expect(test).toHaveLength(Math.floor(count / 2));
        expect(selection.length).toBe(Math.ceil(subset.length / 2));
        expect(selection.every((index) => subset.includes(index))).toBe(true);
        // The subset of a validation may change when a run goes on; the tasks of the verdict may not.
        expect(split(count, 1, seed, 'best').test).toEqual(test);
      }),
    );
  });

  it('gives the verdict all tasks where no step is chosen, and none without a verdict', () => {
    expect(split(7, 7, 0, 'last').test.toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(split(7, 7, 0, 'last').selection).toEqual([]);
    expect(split(7, 7, 0, undefined)).toMatchObject({ selection: [], test: [] });
  });
});
