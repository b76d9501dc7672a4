import { CheckedStore } from './checked-store.ts';
import { RowCalls } from './row-calls.ts';
import type { RowStoreOptions } from './row-store-options.ts';
import type { RowDatabase } from './rows.ts';

/** A whole store over a database of rows, in this thread. */
export class RowStore extends CheckedStore {
  constructor(database: RowDatabase, options: RowStoreOptions = {}) {
    super(new RowCalls(database, options), options);
  }
}
