import { failureKinds, type Failure } from '@agent-lightning/core';
import { errorOutcome } from '@agent-lightning/tracing';
import type { AttemptOutcome } from './runner-hooks.ts';

/** Returns the outcome of an attempt that failed with `error`. */
export function failureOutcome(error: unknown): AttemptOutcome {
  return { status: 'failed', failure: toFailure(error) };
}

/** Tells whether a failure is that of a store, a gateway or a connection. */
export function isOutage(failure: Failure): boolean {
  return failureKinds.of(failure) === 'world';
}

/** Returns what was thrown as a store keeps it. */
export function toFailure(error: unknown): Failure {
  return { code: failureKinds.codeOf(error), message: describe(error) };
}

/** Returns the message of what was thrown, as long as a store takes it. */
export function describe(error: unknown): string {
  return errorOutcome(error).status.message ?? '';
}
