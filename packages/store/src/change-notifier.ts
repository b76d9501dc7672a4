import { setTimeout as delay } from 'node:timers/promises';

/** The longest delay that a timer can hold. */
const maxTimerMs: number = 2 ** 31 - 1;

/** Tells one reader of the store's changes. */
export interface ChangeWatch {
  /** Resolves at the first change since the last call, or since the watch began; after `timeoutMs`, or when the signal aborts. Never rejects. */
  next(timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<void>;
  /** Ends the watch; call it in `finally`. */
  end(): void;
}

/**
 * Wakes what waits for the store to change. Begin to `watch`, then look at the store, then wait for `next`: a change between the
 * look and the wait is not missed, whether this process made it or another. Looks out for other processes only while somebody watches.
 */
export class ChangeNotifier {
  #count: number = 0;
  #watchers: number = 0;
  readonly #waiting: Set<() => void> = new Set();
  readonly #watch: ((listener: () => void) => () => void) | undefined;
  #unwatch: (() => void) | undefined;

  constructor(watch?: (listener: () => void) => () => void) {
    this.#watch = watch;
  }

  notify(): void {
    this.#count++;
    for (const wake of this.#waiting) wake();
  }

  watch(): ChangeWatch {
    let seen = this.#count;
    this.#watchers++;
    this.#unwatch ??= this.#watch?.(() => this.notify());
    return {
      next: async (timeoutMs, signal) => {
        if (this.#count === seen) await this.#sleep(timeoutMs, signal);
        seen = this.#count;
      },
      end: () => {
        if (--this.#watchers > 0) return;
        this.#unwatch?.();
        this.#unwatch = undefined;
      },
    };
  }

  async #sleep(timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true || (timeoutMs !== undefined && timeoutMs <= 0)) return;
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#waiting.add(wake);
    signal?.addEventListener('abort', wake, { once: true });
    try {
      await delay(Math.min(timeoutMs ?? maxTimerMs, maxTimerMs), undefined, { signal: woken.signal });
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    } finally {
      signal?.removeEventListener('abort', wake);
      this.#waiting.delete(wake);
    }
  }
}
