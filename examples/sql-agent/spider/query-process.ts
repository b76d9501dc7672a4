/**
 * The program of a process that runs queries which a model wrote. Nothing in JavaScript can interrupt SQLite, and a thread inside of it
 * cannot be ended: a query that takes too long or too much memory costs this process, and nothing else.
 */
import { once } from 'node:events';
import { constants, DatabaseSync, type StatementSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';

import { prepareSingle } from '../prepare-single.ts';
import type { Cell, QueryResult } from '../query.ts';
import { isOrdered, normalizeQuery, resultsMatch, type ExactCell } from './execution-match.ts';
import type { MatchRequest, MatchResult, QueryReply, QueryRequest, RunRequest, Starting } from './query-messages.ts';

const maxOpenDatabases = 64;
/** The longest text or blob that a query may make. */
const maxValueBytes = 16 * 2 ** 20;
const allowed: ReadonlySet<number> = new Set([
  constants.SQLITE_SELECT,
  constants.SQLITE_READ,
  constants.SQLITE_FUNCTION,
  constants.SQLITE_RECURSIVE,
]);
const databases = new Map<string, DatabaseSync>();

/** A thread that ends this process when its parent is gone, even while SQLite blocks all other code here. */
const parentWatch = new Worker(
  `setInterval(() => process.ppid === ${process.ppid} || process.kill(process.pid, 'SIGKILL'), 1000);`,
  { eval: true },
);
/** Resolves when the thread runs: it could not start while SQLite blocks. */
const isWatched = once(parentWatch, 'online');

process.on('message', (request: QueryRequest) => void answer(request));
process.on('disconnect', () => process.exit());

async function answer(request: QueryRequest): Promise<void> {
  await isWatched;
  await send(request.kind === 'run' ? { ran: await run(request) } : { compared: await compare(request) });
}

async function run({ file, sql, maxRows }: RunRequest): Promise<QueryResult> {
  try {
    const rows = await readRows('query', { file, sql, maxRows: maxRows + 1 });
    return { rows: rows.slice(0, maxRows).map((row) => row.map(toCell)), hasMore: rows.length > maxRows };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

async function compare({ files, gold, query }: MatchRequest): Promise<MatchResult> {
  for (const file of files) {
    let expected: ExactCell[][];
    try {
      expected = await readRows('gold', { file, sql: normalizeQuery(gold), maxRows: Infinity });
    } catch (error) {
      return { matches: false, goldError: `${messageOf(error)} (on ${file})` };
    }
    try {
      const maxRows = expected.length + 1; // one more is enough to tell them apart
      const actual = await readRows('query', { file, sql: normalizeQuery(query), maxRows });
      if (!resultsMatch(expected, actual, isOrdered(gold))) return { matches: false };
    } catch {
      return { matches: false }; // a query that fails answers nothing
    }
  }
  return { matches: true };
}

async function readRows(starting: Starting['starting'], { file, sql, maxRows }: Omit<RunRequest, 'kind'>) {
  const statement: StatementSync = prepareSingle(openDatabase(file), sql);
  statement.setReturnArrays(true);
  statement.setReadBigInts(true); // tells 1 from 1.0, and reads whole numbers that no double holds
  await send({ starting });
  const rows: ExactCell[][] = [];
  for (const row of statement.iterate() as Iterable<unknown>) {
    rows.push(row as ExactCell[]);
    if (rows.length >= maxRows) break;
  }
  return rows;
}

function openDatabase(file: string): DatabaseSync {
  const open = databases.get(file);
  if (open !== undefined) return open;
  if (databases.size === maxOpenDatabases) {
    for (const database of databases.values()) database.close();
    databases.clear();
  }
  const options = { readOnly: true, limits: { length: maxValueBytes } };
  const database = new DatabaseSync(file, options);
  database.setAuthorizer((action) => (allowed.has(action) ? constants.SQLITE_OK : constants.SQLITE_DENY));
  databases.set(file, database);
  return database;
}

function toCell(cell: ExactCell): Cell {
  if (cell instanceof Uint8Array) return `x'${Buffer.from(cell).toString('hex')}'`;
  return typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : cell;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Resolves when the message has left, since SQLite blocks this process from then on. */
function send(message: Starting | QueryReply): Promise<void> {
  return new Promise((resolve, reject) =>
    process.send!(message, undefined, undefined, (error) => (error === null ? resolve() : reject(error))),
  );
}
