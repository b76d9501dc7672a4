import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import type { Awaitable, RecordDatabase, RecordReader, RecordWriter } from '@agent-lightning/store';
import { GroupCommit } from './group-commit.ts';
import { findWrongCounts } from './integrity.ts';
import { migrate, pragma } from './schema.ts';
import { connect } from './sqlite-driver.ts';
import { isBusy, isReadOnly, toStoreError } from './sqlite-errors.ts';
import { SqliteReader } from './sqlite-reader.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import { Statements } from './statements.ts';
import { StoreClock } from './store-clock.ts';
import { isInTransaction } from './is-in-transaction.ts';

export interface SqliteDatabaseOptions {
  /** The absolute path of the file. */
  readonly path: string;
  readonly durability: 'full' | 'normal';
  readonly busyTimeoutMs: number;
  /** The largest size of the file; 0 is no limit. */
  readonly maxSizeBytes: number;
}

const pageSizeBytes = 8_192;
const writesPerCommit = 512;
/** Sets how often other processes' commits are looked for, while somebody waits: a read of shared memory, no disk. */
const watchIntervalMs = 20;
/** Limits how long one attempt to lock may block this thread; the rest of `busyTimeoutMs` is waited for asynchronously. */
const blockingMs = 50;

/** Holds two connections to one file: one that writes, one that reads what is committed while a write is under way. */
export class SqliteDatabase implements RecordDatabase {
  readonly path: string;
  readonly clock: StoreClock = new StoreClock();
  readonly #writing: DatabaseSync;
  readonly #reading: DatabaseSync;
  readonly #reader: SqliteReader;
  readonly #commits: GroupCommit;
  #lastRead: Promise<unknown> = Promise.resolve();

  constructor(options: SqliteDatabaseOptions) {
    const { path, busyTimeoutMs } = options;
    this.path = path;
    const opened: DatabaseSync[] = [];
    try {
      this.#writing = openWritingConnection(options, opened);
      this.#reading = openReading(path, busyTimeoutMs, opened);
      const statements = new Statements(this.#writing);
      anchorClock(this.#writing, statements, this.clock);
      this.#reader = new SqliteReader(new Statements(this.#reading));
      this.#commits = new GroupCommit(this.#writing, statements, new SqliteWriter(statements), {
        maxJobs: writesPerCommit,
        busyTimeoutMs,
        onBegin: () => this.clock.follow(statements),
      });
    } catch (error) {
      for (const connection of opened) connection.close();
      throw toStoreError(error, path);
    }
  }

  read<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply> {
    const reply = this.#lastRead.then(() => this.#snapshot(work));
    this.#lastRead = reply.catch(() => undefined);
    return reply;
  }

  async #snapshot<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply> {
    try {
      this.#reading.exec('BEGIN');
      try {
        return await work(this.#reader);
      } finally {
        if (isInTransaction(this.#reading)) this.#reading.exec('COMMIT');
      }
    } catch (error) {
      throw toStoreError(error, this.path);
    }
  }

  async write<Reply>(work: (records: RecordWriter) => Awaitable<Reply>): Promise<Reply> {
    try {
      return await this.#commits.write(work);
    } catch (error) {
      throw toStoreError(error, this.path);
    }
  }

  watch(listener: () => void): () => void {
    // Changes when another connection than the writing one commits: another process, or another opening in this one.
    let version = pragma(this.#writing, 'data_version');
    const timer = setInterval(() => {
      const now = pragma(this.#writing, 'data_version');
      if (now === version) return;
      version = now;
      listener();
    }, watchIntervalMs);
    return () => clearInterval(timer);
  }

  /** Returns the problems that SQLite's own check of the whole file finds, and counts that are not those of the records; none for a sound file. */
  async checkIntegrity(): Promise<readonly string[]> {
    return this.read(() => {
      const damages = this.#reading
        .prepare('PRAGMA integrity_check')
        .all()
        .map((row) => String(row['integrity_check']))
        .filter((line) => line !== 'ok');
      return damages.length > 0 ? damages : findWrongCounts(this.#reading);
    });
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#lastRead;
    this.#reading.close();
    this.#writing.close();
  }
}

/** Opens the connection that writes; it is put into `opened` first, for the caller to close when this throws. */
export function openWritingConnection(
  { path, durability, busyTimeoutMs, maxSizeBytes }: SqliteDatabaseOptions,
  opened: DatabaseSync[],
): DatabaseSync {
  const isNew = !existsSync(path);
  const database = connect(path, { timeout: busyTimeoutMs });
  opened.push(database);
  if (isNew) database.exec(`PRAGMA page_size = ${pageSizeBytes}`);
  allowReadOnly(() => database.exec('PRAGMA journal_mode = WAL'));
  database.exec(
    `PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32768`,
  );
  migrate(database, path);
  if (maxSizeBytes > 0)
    database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxSizeBytes / pragma(database, 'page_size')))}`);
  database.exec(`PRAGMA busy_timeout = ${Math.min(blockingMs, busyTimeoutMs)}`);
  return database;
}

function openReading(path: string, busyTimeoutMs: number, opened: DatabaseSync[]): DatabaseSync {
  const database = connect(path, { timeout: busyTimeoutMs, readOnly: true });
  opened.push(database);
  database.exec('PRAGMA cache_size = -32768');
  return database;
}

/** Anchors the clock; another process that writes just now keeps its anchor, and this one follows it at its first write. */
function anchorClock(database: DatabaseSync, statements: Statements, clock: StoreClock): void {
  try {
    allowReadOnly(() => {
      database.exec('BEGIN IMMEDIATE');
      clock.anchor(statements);
      database.exec('COMMIT');
    });
  } catch (error) {
    if (!isBusy(error)) throw error;
    clock.follow(statements);
  } finally {
    if (isInTransaction(database)) database.exec('ROLLBACK');
  }
}

/** Runs work that a read-only file may reject: it can still be read, and each write then says so. */
function allowReadOnly(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isReadOnly(error)) throw error;
  }
}
