import type { PhaseSeconds } from './metrics.ts';

/** A phase that a step measures. Checkpoints are written after a step's line, so a step cannot measure its own. */
type Phase = Exclude<keyof PhaseSeconds, 'checkpoint'>;

/** Measures the phases of a step. */
export class PhaseClock {
  readonly #startedAtMs: number = performance.now();
  readonly #seconds: Record<Phase, number> = {
    rollout: 0,
    convert: 0,
    train: 0,
    publish: 0,
    validate: 0,
  };

  /** Does work and adds its time to a phase. */
  async measure<Result>(phase: Phase, work: () => Promise<Result> | Result): Promise<Result> {
    const startedAtMs = performance.now();
    try {
      return await work();
    } finally {
      this.#seconds[phase] += (performance.now() - startedAtMs) / 1_000;
    }
  }

  /** Seconds since the step began. */
  get wallSeconds(): number {
    return (performance.now() - this.#startedAtMs) / 1_000;
  }

  get seconds(): Readonly<Record<Phase, number>> {
    return { ...this.#seconds };
  }
}
