import { RecordOperations, type Operations, type StoreOptions } from '@agent-lightning/store';
import { SqliteDatabase, type SqliteDatabaseOptions } from './sqlite-database.ts';

export type SqliteOperationsOptions = SqliteDatabaseOptions & StoreOptions;

/** Opens the file in this thread. @throws StoreError, ConfigurationError as `openSqliteStore` */
export async function openSqliteOperations(options: SqliteOperationsOptions): Promise<Operations> {
  const database = new SqliteDatabase(options);
  try {
    return new RecordOperations(database, { ...options, now: options.now ?? (() => database.clock.now()) });
  } catch (error) {
    await database.close();
    throw error;
  }
}
