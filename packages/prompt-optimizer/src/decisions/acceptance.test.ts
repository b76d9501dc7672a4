import { seededRandom } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareWithParent, isAccepted } from './acceptance.ts';
import { findWinner } from './winner.ts';

const rule = fc.constantFrom('improvement' as const, 'improvement-or-equal' as const);
const pairs = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 4 })), { minLength: 1 });

describe('compareWithParent', () => {
  it('is the decision of gepa without noise', () => {
    fc.assert(
      fc.property(pairs, rule, (rewards, given) => {
        const [before, after] = [rewards.map(([one]) => one), rewards.map(([, other]) => other)];
        const decision = isAccepted(before, after, given) ? 'accepted' : 'rejected';
        expect(compareWithParent(before, after, 0, given)).toBe(decision);
      }),
    );
  });

  // The variance of a coin is 0.25: on 3 tasks the standard error of a gain is 0.408, on 27 tasks 0.136.
  it.each([
    [[0, 0, 0], [1, 1, 1], 'accepted'], // 1 > 1.645 × 0.408
    [[0, 0, 0], [1, 1, 0], 'open'], // 0.67 is not
    [[0, 0, 0], [1, 0, 0], 'open'],
    [[0, 0, 1], [1, 0, 0], 'rejected'],
    [Array(27).fill(0), [...Array(7).fill(1), ...Array(20).fill(0)], 'accepted'], // 0.26 > 1.645 × 0.136
    [Array(27).fill(0), [1, ...Array(26).fill(0)], 'rejected'], // 0.04 < 0.5 × 0.136
  ] as const)('of %j and %j with the noise of a coin: %s', (before, after, decision) => {
    expect(compareWithParent(before, after, 0.25)).toBe(decision);
  });

  it('goes on with equal rewards where equal is good enough', () => {
    expect(compareWithParent([0, 1], [1, 0], 0.25, 'improvement-or-equal')).toBe('open');
    expect(compareWithParent([0, 1], [0, 0], 0.25, 'improvement-or-equal')).toBe('rejected');
  });

  it('accepts few prompts of those that are equally good, and half of those that are much better', () => {
    /** Compares on 3, 9 and 27 tasks, as a step does. */
    const compareByCoin = (seed: number, chance: number): boolean => {
      const random = seededRandom(seed, 'coins');
      const flip = (): readonly number[] => Array.from({ length: 27 }, () => (random() < 0.5 ? 1 : 0));
      const before = flip();
      const after = Array.from({ length: 27 }, () => (random() < chance ? 1 : 0));
      for (const tasks of [3, 9, 27]) {
        const decision = compareWithParent(before.slice(0, tasks), after.slice(0, tasks), 0.25);
        if (decision !== 'open') return decision === 'accepted';
      }
      return false;
    };
    const seeds = Array.from({ length: 2000 }, (_, seed) => seed);
    const share = (chance: number): number => seeds.filter((seed) => compareByCoin(seed, chance)).length / seeds.length;
    expect(share(0.5)).toBeLessThan(0.08); // gepa accepts 0.34 of them
    expect(share(0.8)).toBeGreaterThan(0.45);
  });
});

describe('findWinner', () => {
  it('is the best candidate without noise, of equal ones the earliest', () => {
    const pool = [
      [0, 0, 1],
      [0, 1, 1],
      [1, 0, 1],
    ].map((scores) => ({ scores }));
    expect(findWinner(pool, 0)).toBe(1);
    expect(findWinner([pool[1]!, pool[2]!], 0)).toBe(0);
  });

  it('is the first one where the gain of every other may be luck', () => {
    const scores = (right: number): { readonly scores: readonly number[] } => ({
      scores: Array.from({ length: 30 }, (_, task) => Number(task < right)),
    });
    // The standard error of a gain on 30 tasks is 0.129: 1.3 times that is 0.168, six more right ones are 0.2 and five 0.167.
    expect(findWinner([scores(15), scores(20)], 0.25)).toBe(0);
    expect(findWinner([scores(15), scores(21), scores(20)], 0.25)).toBe(1);
    expect(findWinner([scores(15), scores(21), scores(22)], 0.25)).toBe(2);
  });
});
