import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { answerReward, isExactMatch, normalizedWords, readAnswer, tokenF1 } from './reward.ts';

describe('tokenF1', () => {
  it.each([
    ['Port Ashby', 'Port Ashby', 1],
    ['Port Ashby', 'the port, Ashby!', 1],
    ['Port Ashby', 'Port Denton', 1 / 2], // precision 1/2, recall 1/2
    ['Rosa Cole', 'Its mayor is Rosa Cole.', 4 / 7], // precision 2/5, recall 1
    ['Port Ashby', 'Ann Reed was born in Port Ashby and lives in Glen Marlow.', 4 / 14], // precision 2/12, recall 1
    ['Port Ashby', 'Port Port', 1 / 2], // a repeated word counts once
    ['Port Ashby', 'Ann Reed', 0],
    ['Port Ashby', '', 0],
    ['the', 'a', 1], // nothing is left of either
  ])('of %j and %j', (gold, predicted, expected) => {
    expect(tokenF1(gold, predicted)).toBeCloseTo(expected, 12);
  });

  const text = fc
    .array(fc.constantFrom('port', 'Ashby', 'ashby', 'the', 'a', 'Glen', 'x.', 'an', '-', 'reed'), { maxLength: 8 })
    .map((words) => words.join(' '));

  it('is the harmonic mean of precision and recall', () => {
    fc.assert(
      fc.property(text, text, (gold, predicted) => {
        expect(tokenF1(gold, predicted)).toBeCloseTo(naiveF1(gold, predicted), 12);
      }),
    );
  });

  it('is in [0, 1], symmetric, blind to order, and 1 for a text and itself', () => {
    fc.assert(
      fc.property(text, text, (one, other) => {
        const f1 = tokenF1(one, other);
        expect(f1).toBeGreaterThanOrEqual(0);
        expect(f1).toBeLessThanOrEqual(1);
        expect(tokenF1(other, one)).toBe(f1);
        expect(tokenF1(one, other.split(' ').toReversed().join(' '))).toBe(f1);
        expect(tokenF1(one, one)).toBe(1);
      }),
    );
  });

  /** Counts every distinct word on both sides, as the script that it is taken from does. */
  function naiveF1(gold: string, predicted: string): number {
    const [expected, actual] = [normalizedWords(gold), normalizedWords(predicted)];
    const count = (words: readonly string[], word: string): number => words.filter((each) => each === word).length;
    const common = [...new Set(expected)].reduce(
      (sum, word) => sum + Math.min(count(expected, word), count(actual, word)),
      0,
    );
    if (expected.length + actual.length === 0) return 1;
    if (common === 0) return 0;
    const [precision, recall] = [common / actual.length, common / expected.length];
    return (2 * precision * recall) / (precision + recall);
  }
});

describe('isExactMatch', () => {
  it.each([
    ['Port Ashby', 'the port, Ashby!', true],
    ['Port Ashby', 'Ashby Port', false],
    ['Port Ashby', 'Port', false],
    ['España', 'españ', false], // the last letter of a word is no article
    ['the', 'a', true],
  ])('of %j and %j is %s', (gold, predicted, expected) => {
    expect(isExactMatch(gold, predicted)).toBe(expected);
  });
});

describe('answerReward', () => {
  it.each([
    ['Answer: Port Ashby', 1],
    ['Port Ashby', 0.9],
    ['I found Port Ashby', 0.9 * (2 / 3)], // precision 2/4, recall 1
    ['Answer: Ann Reed', 0.1],
    ['Answer: ', 0],
    ['Answer: Port Ashby\nAnswer: Glen Denton', 0.9 * (1 / 2)], // two lines are not the form; precision 2/6
    ['', 0],
  ])('of %j', (reply, expected) => {
    expect(answerReward('Port Ashby', reply)).toBeCloseTo(expected, 12);
  });

  it('reads the answer where it has the form, else the whole reply', () => {
    expect(readAnswer('Answer: Port Ashby')).toEqual({ text: 'Port Ashby', isFormatted: true });
    expect(readAnswer('answer: Port Ashby')).toEqual({ text: 'answer: Port Ashby', isFormatted: false });
  });
});
