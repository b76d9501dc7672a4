import { CheckedStore } from './checked-store.ts';
import { RecordOperations } from './record-operations.ts';
import type { RowStoreOptions } from './row-store-options.ts';
import type { RowDatabase } from './rows.ts';

/** A whole store over a database of rows, in this thread. */
export class RowStore extends CheckedStore {
  constructor(database: RowDatabase, options: RowStoreOptions = {}) {
    super(new RecordOperations(database, options), options);
  }
}
