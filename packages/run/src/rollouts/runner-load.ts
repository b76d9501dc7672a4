import type { RolloutFunction } from '@agent-lightning/runner';

/** Measures how busy the runners of this process are: how many of their places run an agent, over time. */
export class RunnerLoad {
  readonly #places: number;
  readonly #now: () => number;
  #running = 0;
  #busyMs = 0;
  #countedAtMs: number;
  #sinceMs: number;

  /** @param now milliseconds on a clock that only grows */
  constructor(places: number, now: () => number = () => performance.now()) {
    this.#places = places;
    this.#now = now;
    this.#countedAtMs = this.#sinceMs = now();
  }

  /** Returns the same function, counted while it runs. */
  count<Task>(rollout: RolloutFunction<Task>): RolloutFunction<Task> {
    return async (task, context) => {
      this.#change(1);
      try {
        return await rollout(task, context);
      } finally {
        this.#change(-1);
      }
    };
  }

  /** Begins to count anew. */
  begin(): void {
    this.#change(0);
    this.#busyMs = 0;
    this.#sinceMs = this.#countedAtMs;
  }

  /** Returns the mean share of the places in which no agent ran since the beginning, from 0 to 1. */
  idleShare(): number {
    this.#change(0);
    const possibleMs = (this.#countedAtMs - this.#sinceMs) * this.#places;
    return possibleMs > 0 ? 1 - this.#busyMs / possibleMs : 0;
  }

  #change(by: number): void {
    const now = this.#now();
    // An agent that ignores its signal runs on beside the one that took its place.
    this.#busyMs += (now - this.#countedAtMs) * Math.min(this.#running, this.#places);
    this.#countedAtMs = now;
    this.#running += by;
  }
}
