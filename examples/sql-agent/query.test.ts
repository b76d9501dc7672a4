import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { columnsOf, describeDatabase, rowCount, tables } from './databases.ts';
import { runQuery } from './query.ts';

describe('the databases', () => {
  it.each(tables.map((table) => table.name))('fill %s with unique keys and no ties between numbers', (name) => {
    const table = tables.find((candidate) => candidate.name === name)!;
    for (const column of [table.key.name, ...table.numbers.map((number) => number.name)]) {
      expect(runQuery(name, `SELECT COUNT(DISTINCT ${column}) FROM ${name}`).rows).toEqual([[rowCount]]);
    }
    for (const { name: column, values } of table.categories) {
      const found = runQuery(name, `SELECT DISTINCT ${column} FROM ${name}`).rows?.map(([value]) => value);
      expect(new Set(found)).toEqual(new Set(values));
    }
  });

  it('describes a schema as a prompt shows it', () => {
    expect(describeDatabase('cars')).toBe('cars(model, color, fuel, price, speed)');
    expect(() => describeDatabase('ships')).toThrow(/no database "ships"; there are products,/);
  });
});

describe('runQuery', () => {
  it('gives the rows of a SELECT', () => {
    expect(runQuery('cars', 'SELECT MIN(price), MAX(price) FROM cars;')).toEqual({ rows: [[100, 490]] });
  });

  it.each([
    ['SELECT nme FROM cars', 'no such column: nme'],
    ['SELECT model FROM cars WHERE color = red', 'no such column: red'],
    ['SELECT model FROM trucks', 'no such table: trucks'],
    ['', 'no statements'],
    ['hello', 'syntax error'],
  ])('says what SQLite says about %j', (sql, message) => {
    expect(runQuery('cars', sql).error).toContain(message);
  });

  it.each([
    'DROP TABLE cars',
    'DELETE FROM cars',
    "INSERT INTO cars VALUES ('x', 'red', 'gas', 1, 1)",
    'UPDATE cars SET price = 0',
    'PRAGMA query_only',
    "ATTACH 'other.db' AS other",
    'SELECT model FROM cars; DROP TABLE cars',
    'SELECT 1; SELECT 2',
  ])('refuses %j and changes nothing', (sql) => {
    const before = runQuery('cars', 'SELECT * FROM cars');
    expect(runQuery('cars', sql).error).toMatch(/not authorized|only one statement/);
    expect(runQuery('cars', 'SELECT * FROM cars')).toEqual(before);
  });

  it.each([
    ['SELECT COUNT(*) FROM cars a, cars b, cars c, cars d, cars e, cars f, cars g', 'joined'],
    ['SELECT a.model FROM cars a, cars b', 'more than 1000 rows'],
    ['WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n', 'not authorized'],
    ['SELECT LENGTH(zeroblob(1000000000))', 'not authorized'],
    [`SELECT ${'1 + '.repeat(1000)} 1`, 'longer than'],
  ])('stops %j before it costs much', (sql, message) => {
    expect(runQuery('cars', sql).error).toContain(message);
  });

  it('answers whatever it is given', () => {
    const word = fc.constantFrom(
      'SELECT',
      '*',
      'model',
      'FROM',
      'cars',
      'WHERE',
      "'",
      '"',
      '(',
      ')',
      ';',
      ',',
      '--',
      '/*',
      '?',
      '1',
      'price',
      '>',
      '\0',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(word, { maxLength: 12 }).map((words) => words.join(' ')),
        ),
        (sql) => {
          const { rows, error } = runQuery('cars', sql);
          expect((rows === undefined) !== (error === undefined)).toBe(true);
        },
      ),
    );
    expect(runQuery('cars', 'SELECT COUNT(*) FROM cars').rows).toEqual([[rowCount]]);
    expect(columnsOf(tables[6]!)).toHaveLength(5);
  });
});
