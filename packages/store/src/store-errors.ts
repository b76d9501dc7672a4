import { StoreError, type Lease } from '@agent-lightning/core';

/** Names a field of what a caller gave; a function is called only for an error, where a name costs more than the check. */
export type FieldName = string | (() => string);

/** Returns the error for a request field that no store accepts. `value` is shown shortened. */
export function invalidField(field: FieldName, problem: string, value?: unknown): StoreError {
  const shown = value === undefined ? '' : `; got ${describeValue(value)}`;
  return new StoreError(`${typeof field === 'string' ? field : field()} ${problem}${shown}`, { code: 'store-invalid' });
}

export function notFound(what: string, id: string): StoreError {
  return new StoreError(`${what} ${describeValue(id)} is not in this store`, { code: 'store-not-found' });
}

export function conflict(message: string): StoreError {
  return new StoreError(message, { code: 'store-conflict' });
}

/** Returns the error for a writer whose lease is over: it must stop and must not retry. */
export function fenced(lease: Lease, reason: string): StoreError {
  return new StoreError(
    `attempt ${lease.attemptId} of rollout ${lease.rolloutId} can no longer be written with fencing token ${lease.fencingToken}: ${reason}`,
    { code: 'store-fenced' },
  );
}

export function storeClosed(): StoreError {
  return new StoreError('the store is closed; open it again to go on', { code: 'store-closed' });
}

/** Describes a value for an error message: at most 80 characters, never a whole payload. */
export function describeValue(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 60
      ? `${JSON.stringify(value.slice(0, 60))}… (${value.length} characters)`
      : JSON.stringify(value);
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return value.constructor.name;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'function') return 'a function';
  return String(value);
}

/** Returns the number in a cursor of `queryRollouts`, or of `subscribe`. @throws `store-invalid` when no store returned it */
export function readPageCursor(field: string, cursor: string): number {
  if (!/^\d{1,15}$/.test(cursor)) throw invalidField(field, 'must be a cursor that this store returned', cursor);
  return Number(cursor);
}

/**
 * Returns the number in a cursor of `subscribe`.
 * @param removed the highest number of an event that was removed by age
 * @throws `store-not-found` when events after it are gone
 */
export function readEventCursor(cursor: string, removed: number): number {
  const after = readPageCursor('cursor', cursor);
  if (after >= removed) return after;
  throw new StoreError(
    `the events after cursor ${after} were removed by keepEvents, up to ${removed}; read the rollouts with queryRollouts, and subscribe from now on, or from cursor "${removed}"`,
    { code: 'store-not-found' },
  );
}
