import { describe, expect, it } from 'vitest';
import { seededRandom } from '@agent-lightning/core';

import { isHeldOut, trainingQuestions } from '../questions.ts';
import { executionReward } from '../reward.ts';
import { createExample, type Example } from './corpus.ts';

function examples(count: number): readonly Example[] {
  const questions = trainingQuestions(0);
  const random = seededRandom(7);
  return Array.from({ length: count }, () =>
    createExample(questions[Math.floor(random() * questions.length)]!, random),
  );
}

const corpus = examples(6000);
const meanReward = (role: Example['role']): number => {
  const ofRole = corpus.filter((example) => example.role === role);
  return ofRole.reduce((sum, { question, response }) => sum + executionReward(question, response), 0) / ofRole.length;
};

describe('the corpus', () => {
  it('is the same for the same seed', () => {
    expect(examples(50)).toEqual(corpus.slice(0, 50));
  });

  it('knows no held-out question', () => {
    expect(corpus.filter(({ question }) => isHeldOut(question))).toEqual([]);
  });

  it('is mediocre, and a little better where a mistake was pointed out', () => {
    expect(meanReward('write')).toBeGreaterThan(0.18);
    expect(meanReward('write')).toBeLessThan(0.3);
    expect(meanReward('rewrite')).toBeGreaterThan(meanReward('write'));
    expect(meanReward('rewrite')).toBeLessThan(0.45);
  });

  it('has right answers for every kind of question', () => {
    const right = corpus.filter(
      ({ role, question, response }) => role === 'write' && executionReward(question, response) === 1,
    );
    expect(new Set(right.map(({ question }) => question.kind)).size).toBe(8);
  });

  it('checks with ok or a reason', () => {
    const checks = corpus.filter(({ role }) => role === 'check');
    expect(checks.filter(({ response }) => !/^(ok|rewrite: [a-z ]+)$/.test(response))).toEqual([]);
  });
});
