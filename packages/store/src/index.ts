// for users: the store in memory, and a run's data to archive
export { type ExportedRollout, exportRollouts, exportRun } from './export-run.ts';
export { MemoryStore } from './memory-store.ts';

// for those who follow rollouts: what comes last
export { isFinalAttemptStatus, isFinalRolloutStatus } from './status-graph.ts';
export { endsOpenSpan } from './open-spans.ts';

// the rules that every store applies to ids and to spans
export { isId, storeLimits } from './field-checks.ts';
export { checkSpan } from './span-checks.ts';

// for authors of stores: a whole store over a database
export { RecordStore } from './record-store.ts';
export { storeOptionNames, type StoreOptions } from './store-options.ts';
export type {
  AttemptRecord,
  Awaitable,
  ClaimableFilter,
  NewResources,
  NewStoreEvent,
  RecordDatabase,
  RecordReader,
  RecordWriter,
  ResolvedRolloutQuery,
  RolloutRecord,
  SpanRecord,
} from './records.ts';
export { readEventCursor, readPageCursor } from './store-errors.ts';

export { attemptTransitions, rolloutTransitions } from './status-graph.ts';
export type {
  AttemptStatus,
  Page,
  RolloutStatus,
  SpanKind,
  SpanStatus,
  StoreStatistics,
  WorkerRecord,
} from './contract-types.ts';

// for authors of stores on SQL: what a record is as a row of SQL
export {
  decodeAttempt,
  decodeEvent,
  decodeResources,
  decodeRollout,
  decodeSpan,
  decodeSpanRecord,
  encodeFailure,
  encodeSettings,
  encodeSpanBody,
  openBodyStart,
  packTokens,
  type SqlRow,
} from './sql-records.ts';

// for stores whose operations are carried out elsewhere: in another thread, or on another machine
export { CheckedStore } from './checked-store.ts';
export type { OperationName, OperationReply } from './operation.ts';
export { type Operations, operationTable } from './operations.ts';
export { RecordOperations } from './record-operations.ts';
export { storeClosed } from './store-errors.ts';

// a store at a server, and how operations are written on the way there
export { connectStore, type RemoteStore, type RemoteStoreOptions } from './remote/connect-store.ts';
export { decodeArguments, encodeReply } from './remote/wire.ts';

// ids of traces and spans
export { isSpanId, isTraceId } from './trace-ids.ts';
