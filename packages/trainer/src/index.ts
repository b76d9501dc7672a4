// trainer
export type { DevOptions, DevReport } from './dev.ts';
export type { FitOptions } from './fit-options.ts';
export type { GrpoLoss, GrpoLossOptions } from './grpo-loss.ts';
export { type Grpo, type GrpoOptions, grpo } from './grpo.ts';
export type {
  CurvePoint,
  IdleShare,
  OffPolicyMetrics,
  PhaseSeconds,
  PolicyMetrics,
  RewardSummary,
  StalenessMetrics,
  StepMetrics,
  TrainedMetrics,
  ValidationMetrics,
} from './metrics.ts';
export type { TrainerHooks, TrainerOptions, TrainingGateway } from './trainer-options.ts';
export { Trainer } from './trainer.ts';
export type { StopReason, TrainingResult } from './training-result.ts';

// grpo/objective
export {
  type Objective,
  type ObjectiveRow,
  builtInLoss,
  isTrainable,
  objectiveAndDerivative,
} from './grpo/objective/objective.ts';
export { type PolicyDrift, policyDrift } from './grpo/objective/policy-drift.ts';
export {
  type PolicyLoss,
  type PolicyLossValue,
  policyLossAndDerivative,
  policyLosses,
} from './grpo/objective/policy-loss.ts';
export type { RatioBounds, SequenceRow } from './grpo/objective/sequence-ratio.ts';

// policies
export type { PolicyOptions } from './policies/policy-options.ts';

// progress
export type { ProgressMode } from './progress/progress.ts';
