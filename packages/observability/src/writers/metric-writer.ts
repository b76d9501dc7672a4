/** A run, as those are told who write its metrics elsewhere. */
export interface MetricRun {
  readonly runId: string;
  readonly runDirectory: string;
  /** Milliseconds since the epoch; of a resumed run without the time in which it stood still. */
  readonly startedAtMs: number;
  /** The options of the run. */
  readonly config: Readonly<Record<string, string | number | boolean>>;
}

/** Figures of one step. */
export interface MetricPoint {
  /** 0 is before training. */
  readonly step: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Finite numbers by name, such as `reward/mean`. */
  readonly values: Readonly<Record<string, number>>;
}

/** The way in which a run ended. */
export type RunOutcome = 'completed' | 'converged' | 'interrupted' | 'limit-reached' | 'failed';

/**
 * Writes the metrics of a run somewhere else, such as an experiment tracker. It may throw whenever that is away: the run goes on, and the
 * writer is begun again at a later step, with everything that was not written yet.
 */
export interface MetricWriter {
  /** Names it in messages. */
  readonly name: string;
  /**
   * Makes or finds the place of the run; called first, and again after each failure. Returns the newest step that is there already, by name: no
   * figure is written twice. Undefined for a writer that cannot take what was measured before it began.
   */
  begin(run: MetricRun): Promise<Readonly<Record<string, number>> | undefined>;
  /** Writes points, in order of their steps. A name comes once in a step. */
  write(points: readonly MetricPoint[]): Promise<void>;
  /** Says how the run ended. */
  end(outcome: RunOutcome): Promise<void>;
}
