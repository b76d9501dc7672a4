import { describe, expect, it } from 'vitest';
import { findItem, items, trainingQuestions, validationQuestions } from './shop.ts';

describe('the questions', () => {
  it('ask in validation only for items that are never trained on', () => {
    const itemsOf = (questions: readonly { readonly question: string }[]): ReadonlySet<string> =>
      new Set(
        items.map(({ item }) => item).filter((item) => questions.some(({ question }) => question.includes(item))),
      );
    const [trained, heldOut] = [itemsOf(trainingQuestions(0)), itemsOf(validationQuestions(0))];
    expect(trained.size + heldOut.size).toBe(items.length);
    expect([...heldOut].filter((item) => trained.has(item))).toEqual([]);
    expect(heldOut.size).toBe(items.length / 4);
  });

  it('come in an order that the seed decides, every kind equally often', () => {
    expect(trainingQuestions(3)).toEqual(trainingQuestions(3));
    expect(trainingQuestions(3)).not.toEqual(trainingQuestions(4));
    const kinds = Object.groupBy(validationQuestions(0, 48), ({ kind }) => kind);
    expect(Object.values(kinds).map((questions) => questions.length)).toEqual([16, 16, 16]);
  });

  it('have their answer in the list of the shop', () => {
    expect(findItem(' Red chairs')).toBe(items[0]);
    const { count, shelf, price } = items[0]!;
    const answers = trainingQuestions(0).filter(({ question }) => question.includes('red chairs'));
    expect(Object.fromEntries(answers.map(({ kind, answer }) => [kind, answer]))).toEqual({ count, shelf, price });
    expect(findItem('purple chairs')).toBeUndefined();
  });
});
