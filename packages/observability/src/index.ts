// OpenTelemetry
export {
  resolveOpenTelemetryOptions,
  type OpenTelemetryOptions,
  type ResolvedOpenTelemetryOptions,
} from './opentelemetry/open-telemetry-options.ts';
export {
  watchAttempt,
  type AttemptEnd,
  type RolloutTelemetry,
  type WatchedAttempt,
} from './opentelemetry/rollout-telemetry.ts';

// metrics of a run elsewhere
export { MetricLog, type MetricLine, type MetricLogOptions } from './writers/metric-log.ts';
export type { MetricPoint, MetricRun, MetricWriter, RunOutcome } from './writers/metric-writer.ts';
export { mlflow, type MlflowOptions } from './writers/mlflow/mlflow.ts';
export { openTelemetryMetrics } from './writers/open-telemetry-metrics.ts';
export { tensorBoard, type TensorBoardOptions } from './writers/tensor-board/tensor-board.ts';
