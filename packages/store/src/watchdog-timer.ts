/** Runs `tick` again and again without keeping the process alive; skips one turn after the process itself stood still. */
export class WatchdogTimer {
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #monotonicMs: () => number;
  #lastMs: number;
  #isRunning: boolean = false;
  #hasSkipped: boolean = false;

  /** Starts at once. @param intervalMs 0: never */
  constructor(intervalMs: number, tick: () => Promise<void>, monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
    this.#lastMs = monotonicMs();
    if (intervalMs === 0) return;
    this.#timer = setInterval(() => void this.#run(intervalMs, tick), intervalMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #run(intervalMs: number, tick: () => Promise<void>): Promise<void> {
    const elapsedMs = this.#monotonicMs() - this.#lastMs;
    this.#lastMs += elapsedMs;
    // A laptop that slept, or a blocked event loop: heartbeats of this process are late too and get a turn first.
    // Never two turns in a record: on a machine that is always late, somebody still has to look.
    const isLate = elapsedMs > 3 * intervalMs && !this.#hasSkipped;
    if (this.#isRunning || isLate) {
      this.#hasSkipped ||= isLate;
      return;
    }
    this.#hasSkipped = false;
    this.#isRunning = true;
    await tick();
    this.#isRunning = false;
  }
}
