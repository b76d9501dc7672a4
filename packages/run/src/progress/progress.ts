import type { StepMetrics, ValidationMetrics } from '../metrics.ts';
import { toTerminalText, type Logger } from '@agent-lightning/core';

/** `live`: one line that is redrawn; `plain`: a line for each step; `none`: nothing. */
export type ProgressMode = 'live' | 'plain' | 'none';

export interface ProgressOptions {
  readonly mode: ProgressMode;
  readonly logger: Logger;
  readonly steps: number;
  /** The stream on which the live line is drawn. @default standard error */
  readonly stream?: { write(text: string): unknown; readonly columns?: number };
  /** Milliseconds on a clock that only grows. @default performance.now */
  readonly now?: () => number;
}

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

  constructor(options: ProgressOptions) {
    this.#options = { stream: process.stderr, now: () => performance.now(), ...options };
    this.#startedAtMs = this.#options.now();
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
    this.#draw(true);
  }

  rolloutEnded(): void {
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
    if (this.#options.mode === 'plain') this.logger.info(describeStep(metrics, summary, this.#options.steps));
    this.#draw(true);
  }

  end(): void {
    this.#clear();
  }

  #draw(isForced: boolean): void {
    if (this.#options.mode !== 'live') return;
    const now = this.#options.now();
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
    parts.push(`${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`);
    return parts.join(' · ');
  }

  #clear(): void {
    if (this.#isDrawn) this.#options.stream.write(clearLine);
    this.#isDrawn = false;
  }
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
