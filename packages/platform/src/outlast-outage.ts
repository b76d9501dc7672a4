import { LightningError } from '@agent-lightning/core';
import { backOffMs, type BackOffLimits } from './back-off.ts';
import { systemClock, type Clock } from './clock.ts';

export interface OutageOptions {
  /** Ends the waits: the error of the newest try is thrown then. */
  readonly signal: AbortSignal;
  /** The time from the first failure after which there are no more tries. @default none */
  readonly limitMs?: number;
  /** Tells which errors may pass. @default those that say that they are retryable */
  readonly isPassing?: (error: unknown) => boolean;
  /** Called at the first failure in a row. */
  readonly onOutage?: (error: unknown) => void;
  /** Called when the work succeeds after failures. @param awayMs the time since the first of them */
  readonly onMended?: (awayMs: number) => void;
  /** @default the system's clock */
  readonly clock?: Clock;
}

/** Bounds the waits between tries at a part that is away. */
const waits: BackOffLimits = { firstMs: 50, longestMs: 5_000 };

/**
 * Does work that needs a part of ours, such as the store, again and again while that part is away. A signal that is aborted
 * from the start leaves one try.
 * @throws the error of the newest try, when it cannot pass, the time is over or the signal aborts
 */
export async function outlastOutage<Reply>(work: () => Promise<Reply>, options: OutageOptions): Promise<Reply> {
  const { signal, limitMs = Infinity, isPassing = isRetryable, onOutage, onMended, clock = systemClock } = options;
  let sinceMs: number | undefined;
  for (let failures = 1; ; failures++) {
    try {
      const reply = await work();
      if (sinceMs !== undefined) onMended?.(clock.now() - sinceMs);
      return reply;
    } catch (error) {
      if (sinceMs === undefined && isPassing(error)) onOutage?.(error);
      sinceMs ??= clock.now();
      if (!isPassing(error) || signal.aborted || clock.now() - sinceMs >= limitMs) throw error;
    }
    await clock.wait(backOffMs(failures, waits), signal);
  }
}

function isRetryable(error: unknown): boolean {
  return LightningError.isInstance(error) && error.retryable;
}
