import type { Clock } from '@agent-lightning/platform';

export interface QuietWatchOptions {
  readonly clock: Clock;
  /** Called when nothing has happened for a while, with the time since the last news in seconds. */
  readonly onQuiet: (seconds: number) => void;
}

/** The time without news after which a watch speaks; each time that it goes on, the time doubles. */
const firstQuietMs = 30_000;

/** Notices that nothing happens: 30 s after the last news, and again after 60 s, 120 s and so on. It does not keep the process alive. */
export class QuietWatch {
  readonly #options: QuietWatchOptions;
  #stop = new AbortController();
  #isWatching = false;
  #newsAtMs = 0;
  #quietMs = firstQuietMs;
  /** Ends the wait that is going on, which may be long after a quiet time. */
  #wake = new AbortController();

  constructor(options: QuietWatchOptions) {
    this.#options = options;
  }

  /** Says that something has happened; the first news begins the watch. */
  news(): void {
    this.#newsAtMs = this.#options.clock.now();
    if (this.#quietMs > firstQuietMs) this.#wake.abort();
    this.#quietMs = firstQuietMs;
    if (this.#isWatching) return;
    this.#isWatching = true;
    void this.#watch(this.#stop.signal);
  }

  /** Ends the watch; the next news begins it again. */
  end(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#isWatching = false;
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { clock, onQuiet } = this.#options;
    while (!signal.aborted) {
      const quietForMs = clock.now() - this.#newsAtMs;
      if (quietForMs >= this.#quietMs) {
        this.#quietMs *= 2;
        onQuiet(Math.round(quietForMs / 1_000));
      }
      this.#wake = new AbortController();
      const untilMs = this.#newsAtMs + this.#quietMs;
      await clock.wait(Math.max(1, untilMs - clock.now()), AbortSignal.any([signal, this.#wake.signal]), true);
    }
  }
}
