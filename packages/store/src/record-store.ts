import { CheckedStore } from './checked-store.ts';
import { RecordOperations } from './record-operations.ts';
import type { StoreOptions } from './store-options.ts';
import type { RecordDatabase } from './records.ts';

/** Makes a whole store of a database of records, in this thread. */
export class RecordStore extends CheckedStore {
  constructor(database: RecordDatabase, options: StoreOptions = {}) {
    super(new RecordOperations(database, options), options);
  }
}
