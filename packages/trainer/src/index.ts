// training
export { Trainer } from './trainer.ts';
export type { TrainerHooks, TrainerOptions } from './trainer-options.ts';
export type { PolicyOptions } from './policy-options.ts';
export type { FitOptions, VerdictOptions } from './fit-options.ts';
export type { CompareOptions, EvaluateOptions } from './evaluate/evaluate-agent.ts';
export type { DevOptions, DevReport } from './dev.ts';
export type { OwnModelCalls } from './dev-own-models.ts';
export type { StopReason, TrainingResult } from './training-result.ts';
export type { TrainingGateway } from '@agent-lightning/core';

// tasks in files
export { readTasks, streamTasks, type ReadTasksOptions, type TaskFormat, type TaskRecord } from '@agent-lightning/run';

// what a run may spend, and has spent
export type { ModelPrice, RunLimits, Spend } from '@agent-lightning/run';

// rewards of whole groups, and rewards looked at again
export type { GroupReward } from './group-reward.ts';
export { rescore, type RescoredRollout, type RescoreOptions, type StoredRollout } from './rescore.ts';

// verdicts
export { compareEvaluations, describeVerdict, verdictExitCodes } from '@agent-lightning/run';
export type { Evaluation, Interval, JudgedSide, Verdict } from '@agent-lightning/run';

// algorithms
export { grpo, type Grpo } from './grpo/grpo.ts';
export type { GrpoOptions, GrpoSettings } from './grpo/grpo-options.ts';
export { sft, type Sft } from './sft/sft.ts';
export type { SftOptions, SftSettings, SftSourceOptions } from './sft/sft-options.ts';
export { distill, type Distill } from './distill/distill.ts';
export type { DistillOptions } from './distill/distill-options.ts';
export type { TeacherServerOptions } from './teacher-server.ts';
export type { CriticOptions } from './grpo/critic-options.ts';
export type { GrpoLoss, GrpoLossOptions } from './grpo/grpo-loss.ts';
export type { PolicyLoss } from './grpo/objective/policy-loss.ts';
export type { RatioBounds } from './grpo/objective/sequence-ratio.ts';

// what a run shows
export { mlflow, tensorBoard } from '@agent-lightning/observability';
export type {
  MetricPoint,
  MetricRun,
  MetricWriter,
  MlflowOptions,
  OpenTelemetryOptions,
  RunOutcome,
  TensorBoardOptions,
} from '@agent-lightning/observability';
export type { Logger } from '@agent-lightning/core';
export type {
  CurvePoint,
  IdleShare,
  PhaseSeconds,
  ProgressMode,
  RewardSummary,
  ValidationMetrics,
} from '@agent-lightning/run';
export type { StepMetrics } from './step-metrics.ts';
export type {
  GrpoMetrics,
  OffPolicyMetrics,
  PolicyMetrics,
  StalenessMetrics,
  TrainedMetrics,
} from './grpo/grpo-metrics.ts';

export type { DistillMetrics } from './distill/distill-metrics.ts';
export type { ImitatedPolicyMetrics, ImitationMetrics, SftMetrics } from './sft/sft-metrics.ts';

// where policies train
export { gpu, type GpuOptions } from '@agent-lightning/gpu';
export type { VllmAttachOptions, VllmOptions, VllmSharedOptions, VllmStartOptions } from '@agent-lightning/gpu';
export { tinker, type TinkerOptions } from '@agent-lightning/tinker';
export type { AdamField, LoraOptions, ServerKind } from '@agent-lightning/tinker';
