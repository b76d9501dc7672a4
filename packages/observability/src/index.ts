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
