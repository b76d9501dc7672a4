// trainer
export type { DevOptions, DevReport } from './dev.ts';
export type { FitOptions, ResolvedFitOptions } from './fit-options.ts';
export type { RunContext } from './run-context.ts';
export type { ResolvedTrainerOptions, TrainerHooks, TrainerOptions, TrainingGateway } from './trainer-options.ts';
export { Trainer } from './trainer.ts';
export type { StopReason, TrainingResult } from './training-result.ts';

// grpo
export type { GrpoLoss, GrpoLossOptions } from './grpo/grpo-loss.ts';
export { type Grpo, type GrpoOptions, grpo } from './grpo/grpo.ts';

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

// grpo/policies
export { type PolicyOptions, baseModelName, isRouted, onlyPolicyName } from './grpo/policies/policy-options.ts';
export { PolicySet, type PolicyVersions } from './grpo/policies/policy-set.ts';

// grpo/step
export { findUnmatchedPatterns, listMatchedPatterns } from './grpo/step/agents-seen.ts';
export type { TrainingStepResult } from './grpo/step/training-step.ts';
