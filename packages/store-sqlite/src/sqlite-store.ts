import { resolve } from 'node:path';
import { CheckedStore, storeOptionNames, type Operations, type StoreOptions } from '@agent-lightning/store';
import { check, ConfigurationError } from '@agent-lightning/core';
import { openSqliteOperations, type SqliteOperationsOptions } from './sqlite-operations.ts';
import { StoreThread } from './thread/store-thread.ts';

export interface SqliteStoreOptions extends StoreOptions {
  /** Names the database file; it is created when it does not exist. Its folder must exist, on a local disk. */
  readonly path: string;
  /**
   * Sets what an acknowledged write survives. `full`: the loss of power. `normal`: the end of every process, but the last
   * moments before a loss of power may be gone (the file stays sound); commits do not wait for the disk.
   * @default 'full'
   */
  readonly durability?: 'full' | 'normal';
  /** Sets how long a write waits while another process writes; then it rejects with `store-unavailable`, retryable. @default 5_000 */
  readonly busyTimeoutMs?: number;
  /** Limits how large the file may grow; a write beyond rejects with `store-full` and leaves no trace. Holds for this opening. @default no limit */
  readonly maxSizeBytes?: number;
  /**
   * Sets whether the store works in a thread of its own, so that its work and its waits for the disk hold up nobody else. `now` and
   * `generateId` are then called on the caller's thread, and the store waits for their answers.
   * @default true
   */
  readonly thread?: boolean;
}

/** Keeps a store in one SQLite file; several processes on one machine may have it open. Make it with `openSqliteStore`. */
export class SqliteStore extends CheckedStore {
  /** The absolute path of the file. */
  readonly path: string;
  readonly #operations: Operations;

  /** @internal */
  constructor(operations: Operations, options: SqliteOperationsOptions) {
    super(operations, options);
    this.path = options.path;
    this.#operations = operations;
  }

  /** Reads the whole file and returns the problems that SQLite finds, and counts that are not those of the records; none for a sound file. @throws StoreError `store-corrupt` when it cannot be read at all */
  checkIntegrity(): Promise<readonly string[]> {
    return this.#operations.call('checkIntegrity', []);
  }
}

/**
 * Opens a store, creating its file or migrating it to this version's schema.
 * @throws StoreError `store-schema` for a newer file or another program's, `store-corrupt`, `store-readonly`, `store-unavailable`
 */
export async function openSqliteStore(options: SqliteStoreOptions): Promise<SqliteStore> {
  const { thread, ...resolved } = resolveOptions(options);
  const operations = thread ? await StoreThread.open(resolved) : await openSqliteOperations(resolved);
  return new SqliteStore(operations, resolved);
}

const optionNames: Readonly<Record<keyof SqliteStoreOptions, true>> = {
  ...storeOptionNames,
  path: true,
  durability: true,
  busyTimeoutMs: true,
  maxSizeBytes: true,
  thread: true,
};

function resolveOptions(options: SqliteStoreOptions): SqliteOperationsOptions & { readonly thread: boolean } {
  check.knownOptions('openSqliteStore', options, optionNames);
  const { path, durability = 'full', busyTimeoutMs = 5_000, maxSizeBytes, thread = true } = options;
  const { now, generateId, watchdogIntervalMs, keepEvents, keepEndedMs } = options;
  if (typeof path !== 'string' || path === '' || path.includes('\0'))
    throw invalid(`path must be the name of a file; got ${JSON.stringify(path)}`);
  if (path === ':memory:' || path.startsWith('file:'))
    throw invalid(`path must be the name of a file, and ${path} is none; use MemoryStore for a store in memory`);
  check.oneOf('durability', durability, ['full', 'normal']);
  check.timerMs('busyTimeoutMs', busyTimeoutMs, 0);
  if (maxSizeBytes !== undefined) check.wholeNumber('maxSizeBytes', maxSizeBytes);
  if (typeof thread !== 'boolean') throw invalid(`thread must be true or false; got ${String(thread)}`);
  return {
    thread,
    path: resolve(path),
    durability,
    busyTimeoutMs,
    maxSizeBytes: maxSizeBytes ?? 0,
    ...(now && { now }),
    ...(generateId && { generateId }),
    ...(watchdogIntervalMs !== undefined && { watchdogIntervalMs }),
    ...(keepEvents !== undefined && { keepEvents }),
    ...(keepEndedMs !== undefined && { keepEndedMs }),
  };
}

function invalid(message: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'option-invalid' });
}
