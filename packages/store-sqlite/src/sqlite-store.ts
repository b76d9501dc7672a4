import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { ConfigurationError, RowStore, type Awaitable, type RowDatabase, type RowReader, type RowStoreOptions, type RowWriter } from '@agent-lightning/core';
import { GroupCommit } from './group-commit.ts';
import { migrate, pragma } from './schema.ts';
import { connect } from './sqlite-driver.ts';
import { toStoreError } from './sqlite-errors.ts';
import { SqliteReader } from './sqlite-reader.ts';
import { SqliteWriter } from './sqlite-writer.ts';
import { Statements } from './statements.ts';

export interface SqliteStoreOptions extends RowStoreOptions {
  /** The database file; created when it does not exist. Its folder must exist, on a local disk. */
  readonly path: string;
  /**
   * What an acknowledged write survives. `full`: the loss of power. `normal`: the end of every process, but the last
   * moments before a loss of power may be gone (the file stays intact); several times faster for small writes.
   * @default 'full'
   */
  readonly durability?: 'full' | 'normal';
  /** How long a write waits while another process writes; then it rejects with `store-unavailable`, retryable. @default 5_000 */
  readonly busyTimeoutMs?: number;
}

interface ResolvedOptions {
  readonly path: string;
  readonly durability: 'full' | 'normal';
  readonly busyTimeoutMs: number;
}

const writesPerCommit = 512;
/** How often other processes' commits are looked for, while somebody waits: a read of shared memory, no disk. */
const watchIntervalMs = 20;
/** How long one attempt to lock may block this thread; the rest of `busyTimeoutMs` is waited for asynchronously. */
const blockingMs = 50;

/** A store in one SQLite file; several processes on one machine may have it open. Make it with `openSqliteStore`. */
export class SqliteStore extends RowStore {
  readonly path: string;
  readonly #database: SqliteDatabase;

  /** @internal */
  constructor(database: SqliteDatabase, options: SqliteStoreOptions) {
    super(database, options);
    this.path = database.path;
    this.#database = database;
  }

  /** Reads the whole file and checks it. Returns the problems that SQLite found; none for a sound file. */
  checkIntegrity(): Promise<readonly string[]> {
    return this.#database.checkIntegrity();
  }
}

/** Opens a store, creating or migrating its file. @throws StoreError `store-schema` for a newer file, `store-readonly`, `store-corrupt`, `store-unavailable` */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const resolved = resolveOptions(options);
  return new SqliteStore(new SqliteDatabase(resolved), options);
}

function resolveOptions({ path, durability = 'full', busyTimeoutMs = 5_000 }: SqliteStoreOptions): ResolvedOptions {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) throw new ConfigurationError(`path must be the name of a file; got ${JSON.stringify(path)}`, { code: 'option-invalid' });
  if (path === ':memory:' || path.startsWith('file:')) throw new ConfigurationError(`path must be the name of a file, and ${path} is none; use MemoryStore for a store in memory`, { code: 'option-invalid' });
  if (durability !== 'full' && durability !== 'normal') throw new ConfigurationError(`durability must be full or normal; got ${String(durability)}`, { code: 'option-invalid' });
  if (!Number.isSafeInteger(busyTimeoutMs) || busyTimeoutMs < 0) throw new ConfigurationError(`busyTimeoutMs must be a whole number from 0; got ${busyTimeoutMs}`, { code: 'option-invalid' });
  return { path: resolve(path), durability, busyTimeoutMs };
}

/** Two connections: one that writes, one that reads what is committed while a write is under way. */
class SqliteDatabase implements RowDatabase {
  readonly path: string;
  readonly #writing: DatabaseSync;
  readonly #reading: DatabaseSync;
  readonly #reader: SqliteReader;
  readonly #commits: GroupCommit;
  #lastRead: Promise<unknown> = Promise.resolve();

  constructor({ path, durability, busyTimeoutMs }: ResolvedOptions) {
    this.path = path;
    const opened: DatabaseSync[] = [];
    try {
      this.#writing = openWriting(path, durability, opened);
      this.#reading = openReading(path, busyTimeoutMs, opened);
    } catch (error) {
      for (const connection of opened) connection.close();
      throw toStoreError(error, path);
    }
    this.#reader = new SqliteReader(new Statements(this.#reading));
    this.#commits = new GroupCommit(this.#writing, new SqliteWriter(new Statements(this.#writing)), { maxJobs: writesPerCommit, busyTimeoutMs });
  }

  read<Reply>(work: (rows: RowReader) => Awaitable<Reply>): Promise<Reply> {
    const reply = this.#lastRead.then(async () => {
      this.#reading.exec('BEGIN');
      try {
        return await work(this.#reader);
      } finally {
        this.#reading.exec('COMMIT');
      }
    }).catch((error: unknown) => {
      throw toStoreError(error, this.path);
    });
    this.#lastRead = reply.catch(() => undefined);
    return reply;
  }

  async write<Reply>(work: (rows: RowWriter) => Awaitable<Reply>): Promise<Reply> {
    try {
      return await this.#commits.write(work);
    } catch (error) {
      throw toStoreError(error, this.path);
    }
  }

  watch(listener: () => void): () => void {
    // Changes when another connection than the writing one commits, which is one of another process.
    let version = pragma(this.#writing, 'data_version');
    const timer = setInterval(() => {
      const now = pragma(this.#writing, 'data_version');
      if (now === version) return;
      version = now;
      listener();
    }, watchIntervalMs);
    return () => clearInterval(timer);
  }

  async checkIntegrity(): Promise<readonly string[]> {
    return this.read(() => this.#reading.prepare('PRAGMA integrity_check').all().map((row) => String(row['integrity_check'])).filter((line) => line !== 'ok'));
  }

  async close(): Promise<void> {
    await this.#commits.idle();
    await this.#lastRead;
    this.#reading.close();
    this.#writing.close();
  }
}

function openWriting(path: string, durability: 'full' | 'normal', opened: DatabaseSync[]): DatabaseSync {
  const isNew = !existsSync(path);
  const database = connect(path, { timeout: blockingMs });
  opened.push(database);
  if (isNew) database.exec('PRAGMA page_size = 8192');
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(`PRAGMA synchronous = ${durability === 'full' ? 'FULL' : 'NORMAL'}; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32768`);
  migrate(database, path);
  return database;
}

function openReading(path: string, busyTimeoutMs: number, opened: DatabaseSync[]): DatabaseSync {
  const database = connect(path, { timeout: busyTimeoutMs, readOnly: true });
  opened.push(database);
  database.exec('PRAGMA cache_size = -32768; PRAGMA mmap_size = 268435456');
  return database;
}
