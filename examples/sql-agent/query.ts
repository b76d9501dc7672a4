/** Runs a query that a model wrote: only one SELECT, only so much work, only so many rows. */
import { constants, type DatabaseSync, type StatementSync } from 'node:sqlite';

import { openDatabase } from './databases.ts';
import { prepareSingle } from './prepare-single.ts';

export type Cell = string | number | bigint | null;

/** The database's answer: rows, or why there are none. */
export type QueryResult =
  | {
      readonly rows: readonly (readonly Cell[])[];
      readonly error?: undefined;
      /** Tells whether there are more rows than these. */
      readonly hasMore?: boolean;
    }
  | { readonly rows?: undefined; readonly error: string; readonly hasMore?: undefined };

const maxLength = 1000;
const maxRows = 1000;
/** Each scan of a 40-row table that is nested in another multiplies the work by 40, so this bounds it without a clock. */
const maxScans = 3;
const functions = new Set([
  'count',
  'avg',
  'sum',
  'total',
  'min',
  'max',
  'round',
  'abs',
  'length',
  'lower',
  'upper',
  'like',
  'coalesce',
]);
const { SQLITE_DENY, SQLITE_FUNCTION, SQLITE_OK, SQLITE_READ, SQLITE_SELECT } = constants;

/** Runs one SELECT on a database. Whatever the text of the query, it answers. @throws RangeError for a database that does not exist */
export function runQuery(databaseName: string, sql: string): QueryResult {
  const database = openDatabase(databaseName);
  try {
    return { rows: readRows(prepare(database, sql)) };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function prepare(database: DatabaseSync, sql: string): StatementSync {
  if (sql.length > maxLength) throw new Error(`query longer than ${maxLength} characters`);
  database.setAuthorizer(authorize);
  const statement = prepareSingle(database, sql);
  const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all();
  const scans = plan.filter(({ detail }) => /^(SCAN|SEARCH)\b/.test(String(detail))).length;
  if (scans > maxScans) throw new Error(`more than ${maxScans} tables joined`);
  return statement;
}

/** SQLite asks this for everything that a statement would do, while it compiles the statement. */
function authorize(action: number, _first: string | null, functionName: string | null): number {
  if (action === SQLITE_SELECT || action === SQLITE_READ) return SQLITE_OK;
  if (action === SQLITE_FUNCTION && functions.has(functionName ?? '')) return SQLITE_OK;
  return SQLITE_DENY;
}

function readRows(statement: StatementSync): Cell[][] {
  statement.setReturnArrays(true);
  const rows: Cell[][] = [];
  for (const row of statement.iterate() as Iterable<unknown>) {
    if (rows.length === maxRows) throw new Error(`more than ${maxRows} rows`);
    rows.push(row as Cell[]);
  }
  return rows;
}
