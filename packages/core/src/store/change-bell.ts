import { setTimeout as delay } from 'node:timers/promises';

/** The longest delay that a timer can hold. */
const maxTimerMs: number = 2 ** 31 - 1;

/**
 * Wakes what waits for the store to change. Take `count` before looking at the store, then `after(count)`:
 * a ring between the two is not missed. Looks out for other processes only while somebody waits.
 */
export class ChangeBell {
  #count: number = 0;
  readonly #waiting: Set<() => void> = new Set();
  readonly #watch: ((listener: () => void) => () => void) | undefined;
  #unwatch: (() => void) | undefined;

  constructor(watch?: (listener: () => void) => () => void) {
    this.#watch = watch;
  }

  get count(): number {
    return this.#count;
  }

  ring(): void {
    this.#count++;
    for (const wake of this.#waiting) wake();
  }

  /** Resolves at the first ring after `count`, after `timeoutMs`, or when the signal aborts; never rejects. */
  async after(count: number, timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (this.#count !== count || signal?.aborted === true || (timeoutMs !== undefined && timeoutMs <= 0)) return;
    const woken = new AbortController();
    const wake = (): void => woken.abort();
    this.#add(wake);
    signal?.addEventListener('abort', wake, { once: true });
    try {
      await delay(Math.min(timeoutMs ?? maxTimerMs, maxTimerMs), undefined, { signal: woken.signal });
    } catch (error) {
      if (!woken.signal.aborted) throw error;
    } finally {
      signal?.removeEventListener('abort', wake);
      this.#remove(wake);
    }
  }

  #add(wake: () => void): void {
    this.#waiting.add(wake);
    this.#unwatch ??= this.#watch?.(() => this.ring());
  }

  #remove(wake: () => void): void {
    this.#waiting.delete(wake);
    if (this.#waiting.size > 0) return;
    this.#unwatch?.();
    this.#unwatch = undefined;
  }
}
