import { join } from 'node:path';
import type { Logger } from '@agent-lightning/core';
import type { MetricPoint, MetricRun, MetricWriter, RunOutcome } from './metric-writer.ts';

/** The points of a run that one writer has not written yet, and the work on them, one piece at a time. */
export class WriterQueue {
  readonly #writer: MetricWriter;
  readonly #run: MetricRun;
  readonly #logger: Logger;
  #pending: readonly MetricPoint[] = [];
  /** The newest step that was handed over, or was there before, by name. */
  #handed: Record<string, number> = {};
  #hasBegun = false;
  #isAway = false;
  #isEnded = false;
  #working: Promise<void> | undefined;

  constructor(writer: MetricWriter, run: MetricRun, logger: Logger) {
    this.#writer = writer;
    this.#run = run;
    this.#logger = logger;
  }

  begin(points: readonly MetricPoint[]): void {
    this.#take(points);
    this.#start();
  }

  add(point: MetricPoint): void {
    this.#take([point]);
    this.#start();
  }

  async end(outcome: RunOutcome): Promise<void> {
    await this.#working;
    if (this.#pending.length > 0 || !this.#hasBegun) await this.#start();
    if (this.#pending.length > 0 || !this.#hasBegun) return;
    await this.#attempt(async () => {
      await this.#writer.end(outcome);
      this.#isEnded = true;
    });
  }

  /** Says, at the end, how many steps the writer has not taken, and where they are. */
  reportUnwritten(): void {
    const steps = new Set(this.#pending.map(({ step }) => step)).size;
    const where = join(this.#run.runDirectory, 'metrics.jsonl');
    if (steps > 0)
      this.#logger.warn(
        `${this.#writer.name} has not taken the metrics of ${steps} ${steps === 1 ? 'step' : 'steps'}; they are in ${where}, and fit({ …, resume: true }) sends them again`,
      );
    else if (!this.#isEnded) this.#logger.warn(`${this.#writer.name} has not been told that the run ended`);
  }

  /** Keeps points, without figures that were handed over for the same or a later step. */
  #take(points: readonly MetricPoint[]): void {
    const fresh = dropKnown(points, this.#handed);
    for (const { step, values } of fresh) for (const name of Object.keys(values)) this.#handed[name] = step;
    this.#pending = [...this.#pending, ...fresh];
  }

  #start(): Promise<void> {
    this.#working ??= this.#attempt(() => this.#drain()).finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  async #drain(): Promise<void> {
    if (!this.#hasBegun) await this.#beginWriter();
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      await this.#writer.write(batch);
      this.#pending = this.#pending.slice(batch.length);
    }
    if (this.#isAway) this.#logger.info(`${this.#writer.name} takes metrics again, and has those of the steps before`);
    this.#isAway = false;
  }

  /** Begins the writer, at first with the points that a resumed run has kept. */
  async #beginWriter(): Promise<void> {
    const known = this.#pending;
    const there = await this.#writer.begin(this.#run);
    this.#hasBegun = true;
    const later = this.#pending.slice(known.length);
    this.#pending = there === undefined ? later : dropKnown([...known, ...later], there);
    // A resumed run repeats steps that a writer may have.
    for (const [name, step] of Object.entries(there ?? {}))
      this.#handed[name] = Math.max(step, this.#handed[name] ?? -1);
  }

  /** Does a piece of work; a failure is told once until the writer is back, and the next step tries again. */
  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#hasBegun = false;
      if (!this.#isAway)
        this.#logger.warn(
          `${this.#writer.name} takes no metrics: ${error instanceof Error ? error.message : String(error)}; the run goes on, and each step tries again`,
        );
      this.#isAway = true;
    }
  }
}

/** Leaves out figures of steps up to the one that is there by name, and points without any. */
function dropKnown(points: readonly MetricPoint[], there: Readonly<Record<string, number>>): readonly MetricPoint[] {
  return points.flatMap((point) => {
    const values = Object.entries(point.values).filter(([name]) => point.step > (there[name] ?? -1));
    return values.length === 0 ? [] : [{ ...point, values: Object.fromEntries(values) }];
  });
}
