import type { ChangeNotifier } from './change-notifier.ts';
import type { Awaitable, NewStoreEvent, RecordReader, RecordWriter } from './records.ts';

/** Gives one write its records, its moment, and the list of events that it will leave. */
export interface Write {
  readonly records: RecordWriter;
  readonly nowMs: number;
  readonly events: NewStoreEvent[];
  readonly generateId: (prefix: 'ro' | 'at') => string;
}

/** Gives operations the records of an open store, its clock, and a notifier of its changes. */
export interface RecordAccess {
  readonly notifier: ChangeNotifier;
  /** Rejects once the store is closed, which ends every wait. */
  read<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply>;
  write<Reply>(work: (write: Write) => Awaitable<Reply>): Promise<Reply>;
  now(): number;
}
