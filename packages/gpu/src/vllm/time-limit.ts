/** Measures how long a server has been waited for, and whether that is too long. */
import type { Clock } from '@agent-lightning/platform';

export class TimeLimit {
  readonly #clock: Clock;
  #since: number;
  #limitMs: number;

  /** @param limitMs the longest wait from now */
  constructor(clock: Clock, limitMs: number) {
    this.#clock = clock;
    this.#since = clock.now();
    this.#limitMs = limitMs;
  }

  get waitedMs(): number {
    return this.#clock.now() - this.#since;
  }

  get isOver(): boolean {
    return this.waitedMs >= this.#limitMs;
  }

  /** Begins the wait anew, with at least as much time. */
  restart(limitMs: number): void {
    this.#since = this.#clock.now();
    this.#limitMs = Math.max(this.#limitMs, limitMs);
  }
}
