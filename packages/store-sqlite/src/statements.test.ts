import { DatabaseSync } from 'node:sqlite';
import { expect, it } from 'vitest';
import { Statements } from './statements.ts';

it('binds plain parameters in their order, and parameters with numbers wherever and however often they stand', () => {
  using database = new DatabaseSync(':memory:');
  const statements = new Statements(database);
  database.exec('CREATE TABLE numbers (a, b, c)');
  expect(statements.run('INSERT INTO numbers VALUES (?, ?, ?)', 1, 2, 3)).toBe(1);
  expect(statements.run('INSERT INTO numbers VALUES (?2, ?1, ?2)', 4, 5)).toBe(1);
  expect(statements.all('SELECT * FROM numbers').map((row) => ({ ...row }))).toEqual([
    { a: 1, b: 2, c: 3 },
    { a: 5, b: 4, c: 5 },
  ]);
  expect({ ...statements.get('SELECT a FROM numbers WHERE b = ?1 OR ?1 IS NULL', 4) }).toEqual({ a: 5 });
  expect(statements.all('SELECT a FROM numbers WHERE b = ?1 OR ?1 IS NULL', null)).toHaveLength(2);
});
