import type { PhaseSeconds } from './metrics.ts';

/** Measures the phases of a step. */
export class PhaseClock {
  readonly #startedAtMs: number = performance.now();
  readonly #seconds: Record<keyof PhaseSeconds, number> = {
    rollout: 0,
    convert: 0,
    train: 0,
    publish: 0,
    validate: 0,
    checkpoint: 0,
  };

  /** Does work and adds its time to a phase. */
  async measure<Result>(phase: keyof PhaseSeconds, work: () => Promise<Result> | Result): Promise<Result> {
    const startedAtMs = performance.now();
    try {
      return await work();
    } finally {
      this.#seconds[phase] += (performance.now() - startedAtMs) / 1_000;
    }
  }

  /** Since the step began. */
  get wallSeconds(): number {
    return (performance.now() - this.#startedAtMs) / 1_000;
  }

  get seconds(): PhaseSeconds {
    return { ...this.#seconds };
  }
}
