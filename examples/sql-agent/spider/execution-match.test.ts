import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { isOrdered, normalizeQuery, resultsMatch, type ExactCell } from './execution-match.ts';

type Rows = readonly (readonly ExactCell[])[];

describe('resultsMatch', () => {
  it.each<[name: string, gold: Rows, actual: Rows, ordered: boolean, expected: boolean]>([
    ['rows in another order, where that does not count', [[1n], [2n]], [[2n], [1n]], false, true],
    ['rows in another order, where that counts', [[1n], [2n]], [[2n], [1n]], true, false],
    ['rows in the same order', [[1n], [2n]], [[1n], [2n]], true, true],
    ['columns in another order', [['a', 1n]], [[1n, 'a']], true, true],
    [
      'the same bags of columns, but other rows',
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
      [
        ['a', 'a'],
        ['b', 'b'],
      ],
      false,
      false,
    ],
    ['a row twice', [[1n], [1n], [2n]], [[1n], [2n], [2n]], false, false],
    ['fewer rows', [[1n], [1n]], [[1n]], false, false],
    ['more columns', [[1n]], [[1n, 1n]], false, false],
    ['nothing and nothing', [], [], true, true],
    ['nothing and something', [], [[1n]], false, false],
    ['a whole number and the same as a float', [[1n, 2n]], [[1, 2]], false, true],
    ['a number and its text', [[1n]], [['1']], false, false],
    ['whole numbers that one double stands for', [[9007199254740993n]], [[9007199254740992n]], false, false],
    ['null and the text null', [[null]], [['null']], false, false],
    ['a text and its bytes', [['a']], [[Uint8Array.of(97)]], false, false],
    ['floats that differ in the last digit', [[0.1 + 0.2]], [[0.3]], false, false],
  ])('compares %s', (_, gold, actual, ordered, expected) => {
    expect(resultsMatch(gold, actual, ordered)).toBe(expected);
  });

  const cell = fc.constantFrom<ExactCell>(0n, 1n, 1, 'a', 'b', null);
  const table = fc
    .tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 5 }))
    .chain(([columns, rows]) =>
      fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
    );

  it('agrees with trying all orders of columns', () => {
    fc.assert(
      fc.property(table, table, fc.boolean(), (gold, actual, ordered) => {
        expect(resultsMatch(gold, actual, ordered)).toBe(matchesNaively(gold, actual, ordered));
      }),
      { numRuns: 2000 },
    );
  });

  it('knows a result again after its columns, and its rows where they may, are permuted', () => {
    const shuffle = <T>(items: readonly T[], order: readonly number[]): T[] =>
      items
        .map((item, i) => ({ item, key: order[i % order.length]! }))
        .toSorted((a, b) => a.key - b.key)
        .map(({ item }) => item);
    const order = fc.array(fc.integer(), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(table, order, order, fc.boolean(), (gold, rowOrder, columnOrder, ordered) => {
        const turned = gold.map((row) => shuffle(row, columnOrder));
        expect(resultsMatch(gold, ordered ? turned : shuffle(turned, rowOrder), ordered)).toBe(true);
      }),
    );
  });

  /** Tries every permutation of the columns, as Spider's evaluation does in the end. */
  function matchesNaively(gold: Rows, actual: Rows, ordered: boolean): boolean {
    if (gold.length !== actual.length) return false;
    if (gold.length === 0) return true;
    if (gold[0]!.length !== actual[0]!.length) return false;
    const linesOf = (rows: Rows): string => {
      const lines = rows.map((row) => row.map((value) => `${typeof value === 'string' ? 's' : ''}${value}`).join('|'));
      return (ordered ? lines : lines.toSorted()).join('\n');
    };
    const expected = linesOf(gold);
    return permutations(gold[0]!.map((_value, i) => i)).some(
      (order) => linesOf(actual.map((row) => order.map((i) => row[i]!))) === expected,
    );
  }

  function permutations(items: readonly number[]): number[][] {
    if (items.length === 0) return [[]];
    return items.flatMap((item) =>
      permutations(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
    );
  }
});

describe('the queries that are compared', () => {
  it.each([
    ['SELECT DISTINCT a FROM t WHERE b > = 1', 'SELECT  a FROM t WHERE b >= 1'],
    ['select count(distinct a) from t', 'select count( a) from t'],
    [`SELECT 'it''s distinct', "distinct" FROM [distinct]`, `SELECT 'it''s distinct', "distinct" FROM [distinct]`],
    ['SELECT a -- distinct\nFROM t /* distinct */', 'SELECT a -- distinct\nFROM t /* distinct */'],
    ['SELECT distinction FROM t', 'SELECT distinction FROM t'],
    ['SELECT YEAR(CURDATE()) - born FROM t', 'SELECT 2020- born FROM t'],
  ])('are normalized: %j', (query, expected) => {
    expect(normalizeQuery(query)).toBe(expected);
  });

  it('have an order where the gold query has ORDER BY', () => {
    expect(isOrdered('SELECT a FROM t Order By b')).toBe(true);
    expect(isOrdered('SELECT orders FROM t')).toBe(false);
  });
});
