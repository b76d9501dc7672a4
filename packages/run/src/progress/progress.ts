import type { StepMetrics, ValidationMetrics } from '../metrics.ts';
import { systemClock, type Clock } from '@agent-lightning/platform';
import { toTerminalText, type Logger, type TrainingGateway } from '@agent-lightning/core';

import { QuietWatch } from './quiet-watch.ts';

/** `live`: one line that is redrawn; `plain`: a line for each step; `none`: nothing. */
export type ProgressMode = 'live' | 'plain' | 'none';

export interface ProgressOptions {
  readonly mode: ProgressMode;
  readonly logger: Logger;
  readonly steps: number;
  /** True when runners elsewhere run all rollouts. @default false */
  readonly runsElsewhere?: boolean;
  /** The stream on which the live line is drawn. @default standard error */
  readonly stream?: { write(text: string): unknown; readonly columns?: number };
  /** @default the clock of this process */
  readonly clock?: Clock;
}

type OpenCalls = ReturnType<NonNullable<TrainingGateway['openCalls']>>;

/** The live line is drawn at most this often. */
const redrawMs = 100;
const clearLine = '\r\u001B[2K';

/** Shows how far a run is. The live line shares its terminal with the log: log through `logger`. */
export class Progress {
  readonly logger: Logger;
  readonly #options: Required<ProgressOptions>;
  readonly #startedAtMs: number;
  #drawnAtMs = -Infinity;
  #step = 0;
  #phase = '';
  #done = 0;
  #total = 0;
  #last: StepMetrics | undefined;
  #validation: ValidationMetrics | undefined;
  #isDrawn = false;
  readonly #quiet: QuietWatch;
  /** The rollouts that run in this process, in the order in which they began, with the time of their beginning. */
  readonly #running = new Map<string, number>();
  #openCalls: () => OpenCalls = () => [];
  #spent: () => string = () => '';

  constructor(options: ProgressOptions) {
    this.#options = { stream: process.stderr, clock: systemClock, runsElsewhere: false, ...options };
    this.#startedAtMs = this.#options.clock.now();
    this.#quiet = new QuietWatch({
      clock: this.#options.clock,
      onQuiet: (seconds) => this.note(this.#describeWait(seconds)),
    });
    const { logger } = options;
    const above =
      (log: (message: string) => void) =>
      (message: string): void => {
        this.#clear();
        log(message);
      };
    this.logger = {
      info: above((message) => logger.info(message)),
      warn: above((message) => logger.warn(message)),
      error: above((message) => logger.error(message)),
    };
  }

  /** Shows that a phase of a step begins; with `total`, rollouts are counted. */
  begin(step: number, phase: string, total: number = 0): void {
    this.#step = step;
    this.#phase = phase;
    this.#done = 0;
    this.#total = total;
    this.#quiet.news();
    this.#draw(true);
  }

  /** Lets progress name the model calls that are open, when nothing happens for a while. */
  watchCalls(openCalls: () => OpenCalls): void {
    this.#openCalls = openCalls;
  }

  /** Lets progress show what the run has spent. @param describe a few words; empty where nothing was */
  watchSpend(describe: () => string): void {
    this.#spent = describe;
  }

  /** Notes that a rollout has begun in this process. */
  rolloutStarted(rolloutId: string): void {
    this.#running.set(rolloutId, this.#options.clock.now());
    this.#quiet.news();
  }

  /** Counts a rollout that has ended. */
  rolloutEnded(rolloutId: string): void {
    this.#running.delete(rolloutId);
    this.#quiet.news();
    this.#done += 1;
    this.#draw(false);
  }

  validated(step: number, validation: ValidationMetrics): void {
    this.#validation = validation;
    this.note(
      `validation after step ${step}: reward ${validation.reward.toFixed(3)} (${validation.interval.map((end) => end.toFixed(3)).join(' to ')}) on ${validation.rollouts} held-out tasks, ${validation.failed} failed`,
    );
  }

  /** Logs a sentence about the run, unless progress is off. */
  note(message: string): void {
    if (this.#options.mode !== 'none') this.logger.info(message);
  }

  /** Shows a step that is done. @param summary short figures of the algorithm's own */
  stepEnded(metrics: StepMetrics, summary: readonly string[]): void {
    this.#last = metrics;
    const spent = metrics.spend === undefined ? '' : this.#spent();
    const figures = spent === '' ? summary : [...summary, spent];
    if (this.#options.mode === 'plain') this.logger.info(describeStep(metrics, figures, this.#options.steps));
    this.#draw(true);
  }

  end(): void {
    this.#quiet.end();
    this.#clear();
  }

  /** Says what the run waits for, when nothing has happened for a while. */
  #describeWait(seconds: number): string {
    const step = this.#step === 0 ? '' : `step ${this.#step}, `;
    const done = this.#total > 0 ? `, ${this.#done} of ${this.#total} rollouts done` : '';
    return `no news for ${seconds} s; waiting for: ${step}${this.#phase}${done}${this.#describeWork()}${describeCalls(this.#openCalls())}`;
  }

  /** Says where the rollouts run that are waited for. */
  #describeWork(): string {
    const [first] = this.#running;
    if (first !== undefined) {
      const seconds = Math.round((this.#options.clock.now() - first[1]) / 1_000);
      return `; ${this.#running.size} run in this process, the longest, ${first[0]}, for ${seconds} s`;
    }
    if (this.#options.runsElsewhere && ['rollout', 'validate'].includes(this.#phase))
      return '; none runs in this process, which has no runners: is one up elsewhere, that claims from this store?';
    return this.#total > this.#done
      ? '; none runs in this process: a model is still being loaded, or runners elsewhere take them'
      : '';
  }

  #draw(isForced: boolean): void {
    if (this.#options.mode !== 'live') return;
    const now = this.#options.clock.now();
    if (!isForced && now - this.#drawnAtMs < redrawMs) return;
    this.#drawnAtMs = now;
    this.#isDrawn = true;
    const line = toTerminalText(this.#line(now));
    this.#options.stream.write(`${clearLine}${line.slice(0, (this.#options.stream.columns ?? 120) - 1)}`);
  }

  #line(now: number): string {
    const seconds = Math.floor((now - this.#startedAtMs) / 1_000);
    const parts = [
      `step ${this.#step}/${this.#options.steps} ${bar(this.#step, this.#options.steps)}`,
      this.#phase + (this.#total > 0 ? ` ${this.#done}/${this.#total}` : ''),
    ];
    if (this.#last?.reward.mean !== undefined) parts.push(`reward ${this.#last.reward.mean.toFixed(2)}`);
    if (this.#validation !== undefined) parts.push(`validation ${describeMean(this.#validation)}`);
    const spent = this.#spent();
    if (spent !== '') parts.push(spent);
    parts.push(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`);
    return parts.join(' · ');
  }

  #clear(): void {
    if (this.#isDrawn) this.#options.stream.write(clearLine);
    this.#isDrawn = false;
  }
}

function describeCalls(calls: OpenCalls): string {
  const [longest] = calls.toSorted((a, b) => b.forMs - a.forMs);
  if (longest === undefined) return '';
  const { agent, rolloutId, forMs } = longest;
  const of = agent === undefined ? '' : `, of agent ${agent}`;
  return `; ${calls.length === 1 ? '1 model call is' : `${calls.length} model calls are`} open, the longest${of} in ${rolloutId}, for ${Math.round(forMs / 1_000)} s`;
}

/** Describes a step that is done in one line. */
export function describeStep(metrics: StepMetrics, summary: readonly string[], steps: number): string {
  const { reward, seconds } = metrics;
  const total = Object.values(seconds).reduce((sum, value) => sum + value, 0);
  return [
    `step ${metrics.step}/${steps}`,
    `reward ${reward.mean === undefined ? 'none' : `${reward.mean.toFixed(3)} ± ${reward.deviation!.toFixed(3)}`}`,
    `failed ${metrics.failed}`,
    ...(metrics.truncatedShare > 0 ? [`cut ${Math.round(metrics.truncatedShare * 100)} %`] : []),
    ...(metrics.turnLimited > 0 ? [`at the turn limit ${metrics.turnLimited}`] : []),
    ...summary,
    `${total.toFixed(1)} s (rollout ${seconds.rollout.toFixed(1)}, train ${seconds.train.toFixed(1)})`,
  ].join(' · ');
}

/** Writes a mean with half the width of its interval, such as `0.41 ± 0.05`. */
function describeMean({ reward, interval: [low, high] }: ValidationMetrics): string {
  return `${reward.toFixed(2)} ± ${((high - low) / 2).toFixed(2)}`;
}

function bar(done: number, total: number, width = 10): string {
  const filled = Math.round((done / total) * width);
  return `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`;
}
