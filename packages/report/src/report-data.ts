import type { StepMetrics, ValidationMetrics, RunConfig, TrainerState } from '@agent-lightning/run';
import type { HeldOutComparison } from './held-out-comparison.ts';
import type { StepSample } from './step-samples.ts';

/** Everything that the report shows. */
export interface ReportData {
  readonly runDirectory: string;
  /** `completed`, `converged`, `interrupted`, or why it stopped. */
  readonly outcome: string;
  readonly createdAt: Date;
  readonly config: RunConfig;
  readonly state: TrainerState;
  readonly metrics: readonly StepMetrics[];
  readonly validationAfter: ValidationMetrics | undefined;
  readonly comparisons: readonly HeldOutComparison[];
  readonly samples: readonly StepSample[];
}
