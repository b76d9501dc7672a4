import { setTimeout as wait } from 'node:timers/promises';
import type { ReplyError } from '../http/reply-error.ts';

/** How often, and after how long, an upstream is asked again before its first byte. */
export interface RetryLimits {
  /** Tries after the first. */
  readonly maxRetries: number;
  /** The first wait is drawn from 0 to this; it doubles each time, up to `retryMaxMs`. */
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Statuses that the same request may not get again. */
export function isRetryableStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || status === 502 || status === 503 || status === 504;
}

/** Milliseconds of a `Retry-After` header, in seconds or as a date. */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The wait before retry `index` (from 0): full jitter, and never less than what the upstream asked for. */
export function retryWaitMs(index: number, askedMs: number | undefined, limits: RetryLimits): number {
  const jitter = limits.random() * Math.min(limits.retryMaxMs, limits.retryBaseMs * 2 ** index);
  return Math.max(askedMs ?? 0, jitter);
}

/** Waits, unless the call's deadline comes first: then its answer is already known. */
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
