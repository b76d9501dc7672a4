// store
export { CheckedStore } from './checked-store.ts';
export { type ExportedRollout, exportRun } from './export-run.ts';
export { storeLimits } from './field-checks.ts';
export { MemoryStore } from './memory-store.ts';
export type { OperationName, OperationReply } from './operation.ts';
export { operationTable, type Operations } from './operations.ts';
export { RecordOperations } from './record-operations.ts';
export type { RowStoreOptions } from './row-store-options.ts';
export { RowStore } from './row-store.ts';
export type {
  AttemptRow,
  Awaitable,
  ClaimableFilter,
  NewResources,
  NewStoreEvent,
  ResolvedRolloutQuery,
  RolloutRow,
  RowDatabase,
  RowReader,
  RowWriter,
  StoredSpan,
} from './rows.ts';
export { checkSpan } from './span-checks.ts';
export {
  type SqlRow,
  decodeAttempt,
  decodeEvent,
  decodeResources,
  decodeRollout,
  decodeSpan,
  decodeStoredSpan,
  encodeFailure,
  encodeSettings,
  encodeSpanBody,
  openBodyStart,
  packTokens,
} from './sql-rows.ts';
export { readEventCursor, readPageCursor, storeClosed } from './store-errors.ts';
export { isSpanId, isTraceId } from './trace-ids.ts';
