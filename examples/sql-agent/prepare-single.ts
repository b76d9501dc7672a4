/** Prepares a text that must be one SQL statement. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** White space, comments and semicolons. */
const nothing = /^(?:\s|;|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*$/;

/** Prepares the statement. @throws {Error} of SQLite, or when more than white space and comments follows the first statement */
export function prepareSingle(database: DatabaseSync, sql: string): StatementSync {
  const statement = database.prepare(sql);
  if (!nothing.test(sql.slice(statement.sourceSQL.length))) throw new Error('only one statement is allowed');
  return statement;
}
