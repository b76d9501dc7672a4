import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { isInTransaction } from './is-in-transaction.ts';

describe.each([
  ['as Node tells', (database: DatabaseSync) => database],
  ['where Node does not tell', (database: DatabaseSync) => ({ exec: (sql: string) => database.exec(sql) })],
])('a transaction, %s', (_name, connect) => {
  it('is seen from its beginning to its end, and left as it is', () => {
    using database = new DatabaseSync(':memory:');
    const connection = connect(database);
    database.exec('CREATE TABLE numbers (n)');
    expect(isInTransaction(connection)).toBe(false);
    database.exec('BEGIN IMMEDIATE; INSERT INTO numbers VALUES (1)');
    expect(isInTransaction(connection)).toBe(true);
    expect(isInTransaction(connection)).toBe(true);
    database.exec('COMMIT');
    expect(isInTransaction(connection)).toBe(false);
    expect(database.prepare('SELECT count(*) AS count FROM numbers').get()).toMatchObject({ count: 1 });
    database.exec('BEGIN; INSERT INTO numbers VALUES (2)');
    expect(isInTransaction(connection)).toBe(true);
    database.exec('ROLLBACK');
    expect(isInTransaction(connection)).toBe(false);
  });
});
