import type { StepMetrics as RunStepMetrics } from '@agent-lightning/run';
import type { GrpoMetrics } from './grpo/grpo-metrics.ts';

/** One line of `metrics.jsonl`: the figures of every run, and those of `grpo` where it trains. */
export type StepMetrics = RunStepMetrics & Partial<GrpoMetrics>;
