import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { kinds } from './problem-kinds.ts';
import { allProblems, isHeldOut, trainingProblems, validationProblems } from './problems.ts';
import { answerReward } from './reward.ts';

const all = allProblems();
const numbersOf = (text: string): string[] => text.match(/\d+/g) ?? [];

describe('the problems', () => {
  it('are thousands, as many of each kind, none twice', () => {
    expect(new Set(all.map(({ question }) => question)).size).toBe(all.length);
    for (const kind of kinds) expect(all.filter((problem) => problem.kind === kind)).toHaveLength(1500);
  });

  it('tell the numbers of their expression, and neither the expression nor the answer', () => {
    for (const { question, expression } of all) {
      expect(numbersOf(question).sort(), question).toEqual(numbersOf(expression).sort());
      expect(question).not.toContain(expression);
    }
  });

  it('stay among the whole numbers from 2 to 99', () => {
    const numbers = all.flatMap(({ expression, answer }) => [...numbersOf(expression).map(Number), answer]);
    expect(numbers.every((number) => Number.isInteger(number) && number >= 2 && number <= 99)).toBe(true);
  });
});

describe('the split', () => {
  it('holds out about a fifth of every kind', () => {
    for (const kind of kinds) {
      const heldOut = all.filter((problem) => problem.kind === kind && isHeldOut(problem));
      expect(heldOut.length).toBeGreaterThan(200);
      expect(heldOut.length).toBeLessThan(400);
    }
  });

  it('shares no expression, whatever the seeds', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, validationSeed) => {
        const trained = new Set(trainingProblems(seed).map(({ expression }) => expression));
        const validation = validationProblems(validationSeed, 320);
        expect(validation.filter(({ expression }) => trained.has(expression))).toEqual([]);
      }),
      { numRuns: 5 },
    );
  });

  it('gives the same problems for the same seed, and others for another', () => {
    expect(trainingProblems(3, 100)).toEqual(trainingProblems(3, 100));
    expect(validationProblems(4, 320)).not.toEqual(validationProblems(3, 320));
    expect(() => validationProblems(0, 100_000)).toThrow(/100000 held-out problems/);
  });
});

describe('the reward', () => {
  it('is 1 for the right number in the right form', () => {
    expect(answerReward({ answer: 19 }, 'Answer: 19')).toBe(1);
    expect(answerReward({ answer: 19 }, ' Answer: 19\n')).toBe(1);
  });

  it.each(['Answer: 18', 'It is 19.', '19', 'Answer: 19.', 'Answer: 19 apples', 'answer 19', 'Answer: ', ''])(
    'is 0 for %j',
    (output) => {
      expect(answerReward({ answer: 19 }, output)).toBe(0);
    },
  );
});
