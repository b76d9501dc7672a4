import type { ChangeBell } from './change-bell.ts';
import type { Awaitable, NewStoreEvent, RowReader, RowWriter } from './rows.ts';

/** One write under way: the rows, the moment, and the events that it will leave. */
export interface Write {
  readonly rows: RowWriter;
  readonly nowMs: number;
  readonly events: NewStoreEvent[];
  readonly generateId: (prefix: 'ro' | 'at') => string;
}

/** Gives operations the rows of an open store, its clock, and word of its changes. */
export interface RecordAccess {
  readonly bell: ChangeBell;
  /** Rejects once the store is closed, which ends every wait. */
  read<Reply>(work: (rows: RowReader) => Awaitable<Reply>): Promise<Reply>;
  write<Reply>(work: (write: Write) => Awaitable<Reply>): Promise<Reply>;
  now(): number;
}
