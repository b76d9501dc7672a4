import { setTimeout as wait } from 'node:timers/promises';
import { backOffMs } from '@agent-lightning/platform';
import type { ReplyError } from '../http/reply-error.ts';

/** The number of retries of an upstream before its first byte, and the waits between them. */
export interface RetryLimits {
  /** The most tries after the first. */
  readonly maxRetries: number;
  /** The longest first wait; it doubles each time, up to `retryMaxMs`. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** Returns a random number in [0, 1). */
  readonly random: () => number;
}

/** Tells whether the same request may get another status when it is sent again. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

/** Returns the wait before retry `index` (from 0): a back-off, and never less than what the upstream asked for. */
export function retryWaitMs(index: number, askedMs: number | undefined, limits: RetryLimits): number {
  const { retryBaseMs, retryMaxMs, random } = limits;
  return Math.max(askedMs ?? 0, backOffMs(index + 1, { firstMs: retryBaseMs, longestMs: retryMaxMs }, random()));
}

/** Waits for the next try, unless the call's deadline would come first: then its error is thrown at once. */
export async function waitToRetry(
  ms: number,
  deadlineMs: number,
  signal: AbortSignal,
  last: ReplyError,
): Promise<void> {
  if (performance.now() + ms >= deadlineMs) throw last;
  try {
    await wait(ms, undefined, { signal });
  } catch {
    throw signal.reason;
  }
}
