import type { MetricChart } from '@agent-lightning/core';
import type {
  RolloutCollector,
  RunConfig,
  RunDirectory,
  RunState,
  Spend,
  StepMetrics,
  ToldFinding,
  ValidationMetrics,
  Verdict,
} from '@agent-lightning/run';
import type { HeldOutComparison } from './held-out-comparison.ts';
import type { LastStep } from './last-step.ts';
import type { StepExcerpt } from './step-excerpts.ts';

/** The parts of a run from which a report is made. */
export interface ReportContext {
  readonly directory: RunDirectory;
  readonly config: RunConfig;
  readonly collector: RolloutCollector;
  /** The held-out tasks. */
  readonly validation: readonly unknown[];
  /** The resources of the last validation, by name; undefined for the newest of the store. */
  readonly resourcesId: string | undefined;
  /** True when a policy answered model calls; without one no call was captured, and the report leaves out calls and tokens. */
  readonly hasPolicy: boolean;
  /** Charts of the algorithm's own. */
  readonly charts: readonly MetricChart[];
  /** Returns the text of each token; undefined where the backend cannot. */
  readonly tokenTexts: ((tokens: Int32Array) => Promise<readonly string[]>) | undefined;
}

/** Everything that the report shows. */
export interface ReportData {
  readonly runDirectory: string;
  /** `completed`, `converged`, `interrupted`, `limit-reached`, or why it stopped. */
  readonly outcome: string;
  /** The ailments of the run, in the order in which they were found. */
  readonly findings: readonly ToldFinding[];
  readonly createdAt: Date;
  readonly config: RunConfig;
  /** True when a policy answered model calls. */
  readonly hasPolicy: boolean;
  readonly state: RunState;
  readonly metrics: readonly StepMetrics[];
  readonly charts: readonly MetricChart[];
  readonly validationAfter: ValidationMetrics | undefined;
  /** Whether the run made the agent better, where it says so. */
  readonly verdict?: Verdict | undefined;
  /** What the run has spent; undefined where only a policy was asked and nothing is limited. */
  readonly spend: Spend | undefined;
  readonly comparisons: readonly HeldOutComparison[];
  readonly excerpts: readonly StepExcerpt[];
  /** Every training rollout of the newest step; undefined where it has none. */
  readonly lastStep: LastStep | undefined;
}
