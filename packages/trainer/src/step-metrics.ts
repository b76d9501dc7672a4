import type { StepMetrics as RunStepMetrics } from '@agent-lightning/run';

/** One line of `metrics.jsonl`: the figures of every run, and those of its algorithm, such as `GrpoMetrics`. */
export type StepMetrics<Metrics extends object = object> = RunStepMetrics & Metrics;
