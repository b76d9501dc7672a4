// run
export { Interrupt } from './interrupt.ts';
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
export { PhaseClock } from './phase-clock.ts';
export { type StepVerdict, type TrainerState, advanceState, initialState } from './run-state.ts';
export { Session } from './session.ts';

// progress
export { Progress, type ProgressMode } from './progress/progress.ts';

// rollouts
export { FaultNotices } from './rollouts/fault-notices.ts';
export { planTrainingStep, planValidation } from './rollouts/planned-rollout.ts';
export { meanByKind, summariseRewards } from './rollouts/reward-summary.ts';
export { RolloutCollector } from './rollouts/rollout-collector.ts';
export { RolloutWindow } from './rollouts/rollout-window.ts';
export { shuffleRewards } from './rollouts/shuffled-control.ts';
export { TaskOrder } from './rollouts/task-order.ts';

// run-directory
export { withFileErrors } from './run-directory/file-errors.ts';
export { type RunConfig, describeRun } from './run-directory/run-config.ts';
export { RunDirectory } from './run-directory/run-directory.ts';
