import type { Episode, Rollout, StepOutcome } from '@agent-lightning/core';
import type { AnswerMetrics, RewardSummary, Verdict } from '@agent-lightning/run';

/** A step that is learned from, before its validation and its line in the metrics. */
export interface FinishedStep {
  readonly step: number;
  readonly rollouts: readonly Rollout[];
  readonly reward: RewardSummary;
  readonly answers: AnswerMetrics | undefined;
  readonly outcome: StepOutcome;
  /** The episodes as they were collected. */
  readonly collected: readonly Episode[];
  /** The episodes as they were learned from. */
  readonly episodes: readonly Episode[];
}

/** The step that a finished run keeps. */
export interface KeptStep {
  readonly step: number;
  /** Undefined for a run without a verdict. */
  readonly verdict: Verdict | undefined;
}
