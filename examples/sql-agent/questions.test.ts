import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { runQuery } from './query.ts';
import { kinds } from './question-kinds.ts';
import { allQuestions, isHeldOut, trainingQuestions, validationQuestions } from './questions.ts';
import { executionReward } from './reward.ts';

const all = allQuestions();

describe('the questions', () => {
  it('are thousands, of every kind, none twice', () => {
    expect(all.length).toBeGreaterThan(3000);
    expect(new Set(all.map(({ kind }) => kind))).toEqual(new Set(kinds));
    expect(new Set(all.map(({ question }) => question)).size).toBe(all.length);
  });

  it('have gold queries that run, answer something, and earn the whole reward', () => {
    for (const question of all) {
      expect(runQuery(question.database, question.gold).rows, question.gold).not.toHaveLength(0);
      expect(executionReward(question, question.gold), question.gold).toBe(1);
    }
  });

  it('never say their own query', () => {
    expect(all.filter(({ question }) => /SELECT|WHERE|ORDER BY/.test(question))).toEqual([]);
  });
});

describe('the split', () => {
  it('holds out about a fifth, of every kind', () => {
    const heldOut = all.filter(isHeldOut);
    expect(heldOut.length / all.length).toBeGreaterThan(0.15);
    expect(heldOut.length / all.length).toBeLessThan(0.25);
    expect(new Set(heldOut.map(({ kind }) => kind))).toEqual(new Set(kinds));
  });

  it('shares neither a question nor the answer to one, whatever the seeds', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, validationSeed) => {
        const train = trainingQuestions(seed);
        const validation = validationQuestions(validationSeed, 320);
        const texts = new Set(train.map(({ question }) => question));
        const queries = new Set(train.map(({ database, gold }) => `${database}: ${gold}`));
        expect(validation).toHaveLength(320);
        expect(new Set(validation.map(({ question }) => question)).size).toBe(320);
        expect(validation.filter(({ question }) => texts.has(question))).toEqual([]);
        expect(validation.filter(({ database, gold }) => queries.has(`${database}: ${gold}`))).toEqual([]);
      }),
      { numRuns: 5 },
    );
  });

  it('gives the same questions for the same seed, others for another, all kinds in turn', () => {
    expect(trainingQuestions(3)).toEqual(trainingQuestions(3));
    expect(validationQuestions(3, 320)).toEqual(validationQuestions(3, 320));
    expect(validationQuestions(4, 320)).not.toEqual(validationQuestions(3, 320));
    expect(
      trainingQuestions(0)
        .slice(0, 16)
        .map(({ kind }) => kind),
    ).toEqual([...kinds, ...kinds]);
    const few = trainingQuestions(1, 1000);
    for (const kind of kinds) expect(few.filter((question) => question.kind === kind)).toHaveLength(125);
  });

  it('says so when there are not enough', () => {
    expect(() => validationQuestions(0, 100_000)).toThrow(/100000 held-out questions/);
  });
});
