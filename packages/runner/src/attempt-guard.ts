import { LightningError, StoreError, TimeoutError, type LightningStore, type Lease } from '@agent-lightning/core';

export interface AttemptGuardOptions {
  readonly store: Pick<LightningStore, 'heartbeat'>;
  readonly lease: Lease;
  readonly heartbeatMs: number;
  /** The time from now to the time-out; undefined for none. */
  readonly timeoutMs: number | undefined;
  /** Aborts the attempt when the runner is told to stop at once. */
  readonly stop: AbortSignal;
  readonly onError: (error: unknown) => void;
}

/** The reason for which an attempt must end before its agent does. `lost`: the lease is another's or over, so nothing may be written. */
export type Interruption = 'timeout' | 'cancelled' | 'lost';

/** Keeps an attempt's lease alive, and aborts its signal on time-out, cancellation, a lost lease or a stopped runner. */
export class AttemptGuard {
  readonly signal: AbortSignal;
  /** Rejects with the signal's reason when it aborts; never resolves. */
  readonly interrupted: Promise<never>;
  #interruption: Interruption | undefined;
  readonly #options: AttemptGuardOptions;
  readonly #controller = new AbortController();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #timeout: NodeJS.Timeout | undefined;
  readonly #onStop = (): void =>
    this.#interrupt('cancelled', new TimeoutError('the runner was stopped', { code: 'cancelled' }));

  constructor(options: AttemptGuardOptions) {
    this.#options = options;
    this.signal = this.#controller.signal;
    this.interrupted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
    });
    this.interrupted.catch(() => undefined); // an attempt that nobody races against it any more is not an unhandled rejection
    this.#heartbeat = setInterval(() => void this.#beat(), options.heartbeatMs);
    this.#timeout = options.timeoutMs === undefined ? undefined : setTimeout(() => this.#timeOut(), options.timeoutMs);
    options.stop.addEventListener('abort', this.#onStop, { once: true });
    if (options.stop.aborted) this.#onStop();
  }

  /** Returns the reason for which the signal was aborted, or undefined. */
  get interruption(): Interruption | undefined {
    return this.#interruption;
  }

  /** Stops the clock on the agent, and keeps the lease alive while its spans are written. */
  disarm(): void {
    clearTimeout(this.#timeout);
  }

  /** Stops everything; the signal stays as it is. */
  release(): void {
    this.disarm();
    clearInterval(this.#heartbeat);
    this.#options.stop.removeEventListener('abort', this.#onStop);
  }

  #timeOut(): void {
    this.#interrupt(
      'timeout',
      new TimeoutError(`the attempt took longer than ${this.#options.timeoutMs} ms`, { code: 'timed-out' }),
    );
  }

  async #beat(): Promise<void> {
    try {
      const reply = await this.#options.store.heartbeat(this.#options.lease);
      if (reply.state === 'cancelled')
        this.#interrupt('cancelled', new TimeoutError('the rollout was cancelled', { code: 'cancelled' }));
    } catch (error) {
      if (!isLostLease(error)) return this.#options.onError(error); // the next beat tries again; the lease outlives two misses
      const { rolloutId, attemptId } = this.#options.lease;
      this.#interrupt(
        'lost',
        new StoreError(`attempt ${attemptId} of rollout ${rolloutId} lost its lease`, {
          code: 'store-fenced',
          cause: error,
        }),
      );
    }
  }

  #interrupt(interruption: Interruption, reason: LightningError): void {
    if (this.#interruption !== undefined) return;
    this.#interruption = interruption;
    this.release();
    this.#controller.abort(reason);
  }
}

/** Tells whether the store says that this attempt may no longer be written to. */
export function isLostLease(error: unknown): boolean {
  return LightningError.isInstance(error) && (error.code === 'store-fenced' || error.code === 'store-not-found');
}
