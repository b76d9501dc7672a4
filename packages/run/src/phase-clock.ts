import type { PhaseSeconds } from './metrics.ts';

/** A phase that a step measures. Checkpoints are written after a step's line, so a step cannot measure its own. */
type Phase = Exclude<keyof PhaseSeconds, 'checkpoint'>;

/** Measures the phases of a step. */
export class PhaseClock {
  /** Seconds of all work that was measured within other work. */
  #innerSeconds = 0;
  readonly #now: () => number;
  readonly #startedAtMs: number;
  readonly #seconds: Record<Phase, number> = {
    rollout: 0,
    convert: 0,
    train: 0,
    publish: 0,
    validate: 0,
  };

  /** @param now milliseconds on a clock that only grows */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#startedAtMs = now();
  }

  /** Does work and adds its time to a phase, without the time of work in it that is measured by itself. One piece of work runs at a time. */
  async measure<Result>(phase: Phase, work: () => Promise<Result> | Result): Promise<Result> {
    const startedAtMs = this.#now();
    const innerBefore = this.#innerSeconds;
    try {
      return await work();
    } finally {
      const seconds = (this.#now() - startedAtMs) / 1_000;
      this.#seconds[phase] += seconds - (this.#innerSeconds - innerBefore);
      this.#innerSeconds = innerBefore + seconds;
    }
  }

  /** Seconds since the step began. */
  get wallSeconds(): number {
    return (this.#now() - this.#startedAtMs) / 1_000;
  }

  get seconds(): Readonly<Record<Phase, number>> {
    return { ...this.#seconds };
  }
}
