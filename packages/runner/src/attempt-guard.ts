import { LightningError, StoreError, TimeoutError, type LightningStore, type Lease } from '@agent-lightning/core';

export interface AttemptGuardOptions {
  readonly store: Pick<LightningStore, 'heartbeat'>;
  readonly lease: Lease;
  readonly leaseMs: number;
  /** The time from now to the time-out; undefined for none. */
  readonly timeoutMs: number | undefined;
  /** Aborts the attempt when the runner is told to stop at once. */
  readonly stop: AbortSignal;
  readonly onError: (error: unknown) => void;
  /** Returns milliseconds that only grow. @default performance.now */
  readonly monotonicMs?: () => number;
}

/** The reason for which an attempt must end before its agent does. `lost`: the lease is another's or over, so nothing may be written. */
export type Interruption = 'timeout' | 'cancelled' | 'lost';

/** Keeps an attempt's lease alive, and aborts its signal on time-out, cancellation, a lost lease or a stopped runner. */
export class AttemptGuard {
  readonly signal: AbortSignal;
  /** Aborts when nothing of the attempt is worth a wait any more: its lease is lost, its rollout is cancelled or the runner stops. */
  readonly over: AbortSignal;
  /** Rejects with the signal's reason when it aborts; never resolves. */
  readonly interrupted: Promise<never>;
  #interruption: Interruption | undefined;
  readonly #options: AttemptGuardOptions;
  readonly #controller = new AbortController();
  readonly #over = new AbortController();
  readonly #monotonicMs: () => number;
  /** When the newest heartbeat was sent that the store took. */
  #heldSinceMs: number;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #timeout: NodeJS.Timeout | undefined;
  readonly #onStop = (): void =>
    this.#interrupt('cancelled', new TimeoutError('the runner was stopped', { code: 'cancelled' }));

  constructor(options: AttemptGuardOptions) {
    this.#options = options;
    this.signal = this.#controller.signal;
    this.over = this.#over.signal;
    this.#monotonicMs = options.monotonicMs ?? (() => performance.now());
    this.#heldSinceMs = this.#monotonicMs();
    this.interrupted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true });
    });
    this.interrupted.catch(() => undefined); // an attempt that nobody races against it any more is not an unhandled rejection
    this.#heartbeat = setInterval(() => void this.#beat(), Math.ceil(options.leaseMs / 3));
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

  /** Ends an agent that takes too long; an attempt whose lease is over by then, as when the process stood still or the store was away, says nothing about it. */
  #timeOut(): void {
    const { leaseMs, lease } = this.#options;
    if (this.#monotonicMs() - this.#heldSinceMs >= leaseMs)
      return this.#interrupt('lost', lostLease(lease, `no heartbeat was taken for its ${leaseMs} ms`));
    this.#interrupt(
      'timeout',
      new TimeoutError(`the attempt took longer than ${this.#options.timeoutMs} ms`, { code: 'timed-out' }),
    );
  }

  async #beat(): Promise<void> {
    const sentMs = this.#monotonicMs();
    try {
      const reply = await this.#options.store.heartbeat(this.#options.lease);
      this.#heldSinceMs = sentMs;
      if (reply.state === 'cancelled')
        this.#interrupt('cancelled', new TimeoutError('the rollout was cancelled', { code: 'cancelled' }));
    } catch (error) {
      if (!isLostLease(error)) return this.#options.onError(error); // the next beat tries again; the lease outlives two misses
      this.#interrupt('lost', lostLease(this.#options.lease, error));
    }
  }

  #interrupt(interruption: Interruption, reason: LightningError): void {
    // After a time-out the lease is kept alive, since what is known of the attempt is still to be written.
    if (interruption !== 'timeout') {
      this.#over.abort(reason);
      this.release();
    }
    if (this.#interruption !== undefined) return;
    this.#interruption = interruption;
    this.disarm();
    this.#controller.abort(reason);
  }
}

function lostLease({ rolloutId, attemptId }: Lease, cause: unknown): StoreError {
  const why = typeof cause === 'string' ? `: ${cause}` : '';
  return new StoreError(`attempt ${attemptId} of rollout ${rolloutId} lost its lease${why}`, {
    code: 'store-fenced',
    cause,
  });
}

/** Tells whether the store says that this attempt may no longer be written to. */
export function isLostLease(error: unknown): boolean {
  return LightningError.isInstance(error) && (error.code === 'store-fenced' || error.code === 'store-not-found');
}
