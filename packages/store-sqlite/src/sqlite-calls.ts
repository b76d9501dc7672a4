import { RowCalls, type RowStoreOptions, type StoreCalls } from '@agent-lightning/store';
import { SqliteDatabase, type SqliteDatabaseOptions } from './sqlite-database.ts';

/** The calls of this store: those of every store, and its own. */
export interface SqliteCalls extends StoreCalls {
  checkIntegrity(): Promise<readonly string[]>;
}

export type SqliteCallsOptions = SqliteDatabaseOptions & RowStoreOptions;

/** Opens the file in this thread. @throws StoreError, ConfigurationError as `openSqliteStore` */
export async function openSqliteCalls(options: SqliteCallsOptions): Promise<SqliteCalls> {
  const database = new SqliteDatabase(options);
  try {
    return new SqliteRowCalls(database, options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

class SqliteRowCalls extends RowCalls implements SqliteCalls {
  readonly #database: SqliteDatabase;

  constructor(database: SqliteDatabase, options: RowStoreOptions) {
    super(database, { ...options, now: options.now ?? (() => database.clock.now()) });
    this.#database = database;
  }

  checkIntegrity(): Promise<readonly string[]> {
    return this.#database.checkIntegrity();
  }
}
