/** Bounds how long a call goes on trying: pauses that grow, a limit on the time in which it only fails, a deadline over all. */
import { BackendError, TimeoutError } from '@agent-lightning/core';
import { backOffMs, type BackOffLimits, type Clock } from '@agent-lightning/platform';
import { throwIfAborted } from './http-exchange.ts';

export interface RetryBudgetOptions {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The name of the operation, for errors: `forward_backward of policy 'writer'`. */
  readonly what: string;
  /** The time from the first failure to giving up, when nothing but failures follow. */
  readonly retryForMs: number;
  /** The time from now to giving up, whatever happens. */
  readonly timeoutMs: number;
}

const pauses: BackOffLimits = { firstMs: 500, longestMs: 10_000 };
const longestAskedMs = 60_000;

/** A retry budget: the time that one call may still spend on trying again. */
export class RetryBudget {
  readonly signal: AbortSignal;
  readonly what: string;
  readonly #options: RetryBudgetOptions;
  readonly #deadlineMs: number;
  #failures = 0;
  #failingSinceMs: number | undefined;

  constructor(options: RetryBudgetOptions) {
    this.#options = options;
    this.signal = options.signal;
    this.what = options.what;
    this.#deadlineMs = options.clock.now() + options.timeoutMs;
  }

  /** Returns the time left until the deadline, at most `ms`, in whole milliseconds. @throws {TimeoutError} `timed-out` when nothing is left; `cancelled` */
  remaining(ms: number): number {
    throwIfAborted(this.signal);
    const left = this.#deadlineMs - this.#options.clock.now();
    if (left > 0) return Math.ceil(Math.min(left, ms)); // timers take whole milliseconds
    throw new TimeoutError(
      `${this.what} had no result after ${this.#options.timeoutMs} ms; the server may still be working on it. Give it more time with timeoutMs.`,
      { code: 'timed-out' },
    );
  }

  /** Forgets the failures so far, since the server answered as it should. */
  progressed(): void {
    this.#failures = 0;
    this.#failingSinceMs = undefined;
  }

  /**
   * Waits before the next try, longer each time, and at least as long as the server asked for, up to `longestAskedMs`.
   * @param problem what went wrong, for the error when the budget is spent
   * @param askedMs what the server asked for
   * @throws {BackendError} `backend-failed`, retryable, when there were only failures for too long
   */
  async pause(problem: string, askedMs = 0): Promise<void> {
    const { clock, retryForMs } = this.#options;
    this.#failingSinceMs ??= clock.now();
    const failingForMs = clock.now() - this.#failingSinceMs;
    if (failingForMs >= retryForMs) {
      throw new BackendError(
        `${this.what} failed for ${Math.round(failingForMs / 1_000)} s, last with: ${problem}. Look at the training server, then resume the run.`,
        { code: 'backend-failed', retryable: true },
      );
    }
    this.#failures += 1;
    await this.sleep(Math.max(backOffMs(this.#failures, pauses), Math.min(askedMs, longestAskedMs)));
  }

  /** Waits without counting a failure. */
  async sleep(ms: number): Promise<void> {
    await this.#options.clock.wait(this.remaining(ms), this.signal);
    throwIfAborted(this.signal);
  }
}
