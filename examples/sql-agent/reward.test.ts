import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { allQuestions } from './questions.ts';
import { executionReward } from './reward.ts';

const cars = (gold: string) => ({ database: 'cars', gold });

describe('executionReward', () => {
  it('pays for another query with the same answer', () => {
    expect(
      executionReward(
        cars("SELECT model FROM cars WHERE color = 'red'"),
        "select c.model from cars c where 'red' = c.color order by price",
      ),
    ).toBe(1);
    expect(executionReward(cars('SELECT AVG(price) FROM cars'), 'SELECT SUM(price) / 40.0 FROM cars')).toBe(1);
  });

  it('heeds the order of rows only where the gold query orders them', () => {
    const ordered = cars('SELECT model FROM cars ORDER BY price DESC LIMIT 3');
    expect(executionReward(ordered, 'SELECT model FROM cars ORDER BY price DESC LIMIT 3')).toBe(1);
    expect(
      executionReward(ordered, 'SELECT model FROM (SELECT * FROM cars ORDER BY price DESC LIMIT 3) ORDER BY price'),
    ).toBe(0);
    expect(executionReward(cars('SELECT model FROM cars'), 'SELECT model FROM cars ORDER BY model')).toBe(1);
  });

  it('pays nothing for other rows, more columns, repeated rows, errors or nonsense', () => {
    const gold = cars("SELECT model FROM cars WHERE color = 'red'");
    for (const query of [
      "SELECT model FROM cars WHERE color = 'blue'",
      "SELECT * FROM cars WHERE color = 'red'",
      "SELECT model FROM cars WHERE color = 'red' UNION ALL SELECT model FROM cars WHERE color = 'red'",
      "SELECT model FROM cars WHERE color = 'pink'",
      'SELECT model FROM cars WHERE color = red',
      'DROP TABLE cars',
      gold.gold + '; SELECT 1',
      '',
    ])
      expect(executionReward(gold, query), query).toBe(0);
  });

  it('tells a number from its text, and rows from their joined text', () => {
    expect(executionReward(cars('SELECT 1'), "SELECT '1'")).toBe(0);
    expect(executionReward(cars("SELECT 'a,b'"), "SELECT 'a', 'b'")).toBe(0);
  });

  it('is 0 or 1 for any query and never throws', () => {
    const questions = allQuestions();
    fc.assert(
      fc.property(fc.nat(questions.length - 1), fc.nat(questions.length - 1), fc.string(), (i, j, text) => {
        const question = questions[i]!;
        expect([0, 1]).toContain(executionReward(question, questions[j]!.gold));
        expect([0, 1]).toContain(executionReward(question, text));
        expect([0, 1]).toContain(executionReward(question, `${question.gold.slice(0, j % 60)}${text}`));
      }),
    );
  });
});
