import { MetricLog, openTelemetryMetrics, type MetricLine } from '@agent-lightning/observability';
import type { StepMetrics, ValidationMetrics } from '@agent-lightning/run';
import type { RunContext } from './run-context.ts';
import type { StopReason } from './training-result.ts';

/** The parts of a run that its metrics need. */
type MetricsContext = Pick<RunContext<never>, 'directory' | 'config' | 'progress'> & {
  readonly options: Pick<RunContext<never>['options'], 'metricWriters' | 'openTelemetry'>;
};

/** Hands the metrics of a run to the user's writers, and to the app's OpenTelemetry provider where that is not off. */
export class RunMetrics {
  readonly #context: MetricsContext;
  /** Undefined until the run has begun. */
  #log: MetricLog | undefined;

  constructor(context: MetricsContext) {
    this.#context = context;
  }

  /** Begins, with what a resumed run has kept. */
  begin(wallSeconds: number, before: ValidationMetrics | undefined, kept: readonly StepMetrics[]): void {
    const { options, directory, config, progress } = this.#context;
    const { metricWriters, openTelemetry } = options;
    this.#log = new MetricLog({
      writers: openTelemetry === false ? metricWriters : [...metricWriters, openTelemetryMetrics()],
      run: {
        runId: directory.runId,
        runDirectory: directory.path,
        startedAtMs: Date.now() - wallSeconds * 1_000,
        config,
      },
      logger: progress.logger,
    });
    this.#log.begin([...(before === undefined ? [] : [validationLine(0, before)]), ...kept]);
  }

  add(metrics: StepMetrics): void {
    this.#log?.add(metrics);
  }

  /** Adds a validation that came before the first step, or after the line of its step. */
  addValidation(step: number, validation: ValidationMetrics): void {
    this.#log?.add(validationLine(step, validation));
  }

  async end(outcome: StopReason | 'failed'): Promise<void> {
    await this.#log?.end(outcome);
  }
}

function validationLine(step: number, validation: ValidationMetrics): MetricLine {
  return { step, validation };
}
