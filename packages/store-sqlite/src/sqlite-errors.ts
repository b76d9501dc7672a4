import { LightningError, StoreError, type LightningErrorCode } from '@agent-lightning/core';

interface Meaning {
  readonly code: LightningErrorCode;
  readonly retryable: boolean;
  readonly problem: string;
}

/** Maps SQLite's primary result codes, as a user of the store should read them. @source sqlite.org/rescode.html */
const meanings: Readonly<Record<number, Meaning>> = {
  3: {
    code: 'store-readonly',
    retryable: false,
    problem: 'access is denied; check the permissions of the file and its folder',
  },
  5: { code: 'store-unavailable', retryable: true, problem: 'another process held it for longer than busyTimeoutMs' },
  6: { code: 'store-unavailable', retryable: true, problem: 'a table is locked' },
  8: {
    code: 'store-readonly',
    retryable: false,
    problem: 'it is read-only; check the permissions of the file and its folder',
  },
  10: { code: 'store-unavailable', retryable: true, problem: 'the disk failed to read or write' },
  11: { code: 'store-corrupt', retryable: false, problem: 'the file is damaged; restore a copy' },
  13: {
    code: 'store-full',
    retryable: true,
    problem: 'the disk is full, or maxSizeBytes reached; nothing of this write was kept, free some space and try again',
  },
  14: {
    code: 'store-unavailable',
    retryable: false,
    problem: 'the file cannot be opened; check that its folder exists and may be written',
  },
  18: { code: 'store-invalid', retryable: false, problem: 'a value is too large for SQLite' },
  26: { code: 'store-corrupt', retryable: false, problem: 'the file is not a SQLite database' },
};

/** Turns what node:sqlite throws into a StoreError; our own errors pass unchanged. */
export function toStoreError(error: unknown, path: string): LightningError {
  if (LightningError.isInstance(error)) return error;
  const result = resultCode(error);
  const meaning = result === undefined ? undefined : meanings[result & 0xff];
  const detail = error instanceof Error ? error.message : String(error);
  if (meaning === undefined)
    return new StoreError(`the store ${path} failed: ${detail}`, { code: 'store-unavailable', cause: error });
  return new StoreError(`the store ${path}: ${meaning.problem} (SQLite ${result}: ${detail})`, {
    code: meaning.code,
    retryable: meaning.retryable,
    cause: error,
  });
}

/** Returns true when another connection holds the lock that was asked for. */
export function isBusy(error: unknown): boolean {
  return ((resultCode(error) ?? 0) & 0xff) === 5;
}

/** Returns true when the file, or its folder, may not be written. */
export function isReadOnly(error: unknown): boolean {
  return ((resultCode(error) ?? 0) & 0xff) === 8;
}

function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code : undefined;
}
