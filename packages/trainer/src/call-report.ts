import type { Episode, Logger, StepOutcome } from '@agent-lightning/core';
import { CallTable } from '@agent-lightning/run';

/** A step that has ended, as the report on its model calls reads it. */
interface EndedStep {
  readonly step: number;
  readonly episodes: readonly Episode[];
  readonly outcome: Pick<StepOutcome, 'isWithoutSignal'>;
}

/** Tells the user what became of the model calls of a run: those of a step that taught nothing, and at the end those of all steps. */
export class CallReport {
  readonly #logger: Pick<Logger, 'info'>;
  readonly #all = new CallTable();
  #told = '';

  constructor(logger: Pick<Logger, 'info'>) {
    this.#logger = logger;
  }

  /** Counts the calls of a step. It logs them where the step taught nothing, unless those of the step that it logged last went the same ways. */
  stepEnded({ step, episodes, outcome }: EndedStep): void {
    this.#all.add(episodes);
    if (outcome.isWithoutSignal !== true) return;
    const table = new CallTable();
    table.add(episodes);
    const ways = JSON.stringify(table.rows.map(({ fate, agent, host, client }) => [fate, agent, host, client]));
    if (table.rows.length === 0 || ways === this.#told) return;
    this.#told = ways;
    this.#logger.info(`the model calls of step ${step}:\n${table.describe()}`);
  }

  /** Logs the calls of all steps that this process has run. */
  runEnded(): void {
    if (this.#all.rows.length > 0) this.#logger.info(`the model calls of all steps:\n${this.#all.describe()}`);
  }
}
