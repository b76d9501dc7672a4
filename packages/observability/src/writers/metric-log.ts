import type { Logger } from '@agent-lightning/core';
import { systemClock, type Clock } from '@agent-lightning/platform';
import { flattenMetrics } from './metric-values.ts';
import type { MetricPoint, MetricRun, MetricWriter, RunOutcome } from './metric-writer.ts';
import { WriterQueue } from './writer-queue.ts';

export interface MetricLogOptions {
  readonly writers: readonly MetricWriter[];
  readonly run: MetricRun;
  readonly logger: Logger;
  /** Measures the wait at the end of the run. @default the system's clock */
  readonly clock?: Clock;
}

/** A line of metrics, as `metrics.jsonl` has it. */
export type MetricLine = {
  readonly step: number;
  readonly wallSeconds?: number;
  readonly validation?: object;
} & object;

/** The time that the writers get in all when the run ends, in milliseconds. */
const longestEndMs = 30_000;

/** Hands the metrics of a run to its writers. Training never waits for one, nor ends because of one. */
export class MetricLog {
  readonly #queues: readonly WriterQueue[];
  readonly #run: MetricRun;
  readonly #clock: Clock;

  constructor({ writers, run, logger, clock = systemClock }: MetricLogOptions) {
    this.#queues = writers.map((writer) => new WriterQueue(writer, run, logger));
    this.#run = run;
    this.#clock = clock;
  }

  /** Begins, with the lines that a resumed run has kept: writers take those that they do not have. */
  begin(kept: readonly MetricLine[]): void {
    const { startedAtMs } = this.#run;
    const points = kept.map((line) => toPoint(line, startedAtMs + (line.wallSeconds ?? 0) * 1_000));
    for (const queue of this.#queues) queue.begin(points);
  }

  /** Adds the figures of a step; those of a step that has come before are added to it. */
  add(line: MetricLine): void {
    const point = toPoint(line, Date.now());
    for (const queue of this.#queues) queue.add(point);
  }

  /** Writes what is left, waits for it for half a minute at most, and says what could not be written. */
  async end(outcome: RunOutcome): Promise<void> {
    const over = new AbortController();
    const ended = Promise.all(this.#queues.map((queue) => queue.end(outcome)));
    await Promise.race([ended, this.#clock.wait(longestEndMs, over.signal)]);
    over.abort();
    for (const queue of this.#queues) queue.reportUnwritten();
  }
}

function toPoint(line: MetricLine, atMs: number): MetricPoint {
  return { step: line.step, atMs, values: flattenMetrics(line) };
}
