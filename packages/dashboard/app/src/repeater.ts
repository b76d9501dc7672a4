/**
 * Does some work, and does it again when it was asked for meanwhile. Work under way goes on to its end, so a slow reply arrives even where
 * the next one is asked for every second; `stop` alone cuts it off.
 */
export class Repeater {
  readonly #work: (signal: AbortSignal) => Promise<void>;
  readonly #stopping = new AbortController();
  #isWorking = false;
  #isWanted = false;

  /** @param work does not reject */
  constructor(work: (signal: AbortSignal) => Promise<void>) {
    this.#work = work;
  }

  /** Tells whether work is under way. */
  get isWorking(): boolean {
    return this.#isWorking;
  }

  /** Begins the work; where it is under way, lets it be done once more after it. */
  start(): void {
    this.#isWanted = true;
    if (!this.#isWorking) void this.#run();
  }

  /** Cuts off the work under way; it is not begun again. */
  stop(): void {
    this.#stopping.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    this.#isWorking = true;
    while (this.#isWanted && !signal.aborted) {
      this.#isWanted = false;
      await this.#work(signal);
    }
    this.#isWorking = false;
  }
}
