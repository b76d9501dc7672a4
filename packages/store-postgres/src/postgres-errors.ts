import { LightningError, StoreError, type LightningErrorCode } from '@agent-lightning/core';

interface Meaning {
  readonly code: LightningErrorCode;
  readonly retryable: boolean;
  readonly problem: string;
}

const unavailable = (problem: string, retryable: boolean = true): Meaning => ({
  code: 'store-unavailable',
  retryable,
  problem,
});

/** Explains SQLSTATE codes, or the two characters of their class, as a user of the store should read them. @source postgresql.org/docs/current/errcodes-appendix.html */
const meanings: Readonly<Record<string, Meaning>> = {
  '25006': { code: 'store-readonly', retryable: false, problem: 'the server, or this session, is read-only' },
  '42501': {
    code: 'store-readonly',
    retryable: false,
    problem: 'the role may not do this; grant it the rights on the schema',
  },
  '53100': {
    code: 'store-full',
    retryable: true,
    problem: 'the disk of the server is full; nothing of this write was kept, free some space and try again',
  },
  '54': { code: 'store-invalid', retryable: false, problem: 'a value is too large for PostgreSQL' },
  XX001: { code: 'store-corrupt', retryable: false, problem: 'the data is damaged; restore a copy' },
  XX002: { code: 'store-corrupt', retryable: false, problem: 'an index is damaged; rebuild it with REINDEX' },
  '42P01': { code: 'store-schema', retryable: false, problem: 'a table is missing; was the schema changed by hand?' },
  '42703': { code: 'store-schema', retryable: false, problem: 'a column is missing; was the schema changed by hand?' },
  '28': unavailable('the server does not let this user in; check user, password and pg_hba.conf', false),
  '3D000': unavailable('the database does not exist; create it, or name another', false),
  '40': unavailable('other writers were in the way again and again'),
  '23505': unavailable('other writers were in the way again and again'),
  '53': unavailable('the server has no resources left, such as connections or memory'),
  '57014': unavailable('the statement took longer than the server allows'),
  '08': unavailable('the connection was lost'),
  '57': unavailable('the server is going down or starting'),
};

/** Turns what pg throws into a StoreError; our own errors pass unchanged. */
export function toStoreError(error: unknown, place: string): LightningError {
  if (LightningError.isInstance(error)) return error;
  const detail = error instanceof Error ? error.message : String(error);
  const state = sqlState(error);
  if (isLost(error)) {
    return new StoreError(`the store ${place} cannot be reached: ${detail}; is the server running?`, {
      code: 'store-unavailable',
      retryable: true,
      cause: error,
    });
  }
  if (error instanceof RangeError) {
    return new StoreError(`a write to the store ${place} is too large to send: ${detail}`, {
      code: 'store-invalid',
      cause: error,
    });
  }
  const meaning = state === undefined ? undefined : (meanings[state] ?? meanings[state.slice(0, 2)]);
  if (meaning === undefined)
    return new StoreError(`the store ${place} failed: ${detail}`, { code: 'store-unavailable', cause: error });
  return new StoreError(`the store ${place}: ${meaning.problem} (SQLSTATE ${state}: ${detail})`, {
    code: meaning.code,
    retryable: meaning.retryable,
    cause: error,
  });
}

/** Tells whether the connection is gone, or could not be made, for a reason that may pass: a restart, a network, no free slot. */
export function isLost(error: unknown): boolean {
  const state = sqlState(error);
  if (state !== undefined) return /^08|^57P0[1-5]$|^25P0[34]$|^53300$/.test(state);
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code === 'string' && lostCodes.has(code)) return true;
  return error instanceof Error && lostMessages.test(error.message);
}

const lostCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
]);

/** Matches the lost connections that pg reports without a code. */
const lostMessages: RegExp =
  /^Connection terminated|^Client has encountered a connection error|^timeout exceeded when trying to connect|^timeout expired|^Query read timeout|^Client was closed/;

/** Tells whether two writers were in conflict, so that running the rejected one again helps. */
export function isConflict(error: unknown): boolean {
  return /^(40001|40P01|23505|55P03)$/.test(sqlState(error) ?? '');
}

function sqlState(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^E[A-Z]{4}$/.test(code) ? code : undefined;
}
