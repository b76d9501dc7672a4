// tasks in files
export { readTasks, streamTasks, type ReadTasksOptions, type TaskFormat } from './tasks/read-tasks.ts';
export type { TaskRecord } from './tasks/task-record.ts';

// what a run keeps open
export { onlyPolicyName, Session, type CallOptions, type SessionOptions } from './session.ts';

// what a run leaves behind
export { RunDirectory, type OpenRunOptions } from './run-directory/run-directory.ts';
export { describeConfig, type RunConfig } from './run-directory/run-config.ts';
export { Checkpoints } from './run-directory/checkpoint.ts';
export { findSavedRun } from './run-directory/find-saved-run.ts';
export { withFileErrors } from './files/file-errors.ts';
export { advanceState, chooseBest, initialState, toCurve, type RunState } from './run-state.ts';

// rollouts: planned, run, collected
export { planEvaluation, planGroups, planMore, planValidation } from './rollouts/planned-rollout.ts';
export { TaskOrder } from './rollouts/task-order.ts';
export { TaskSchedule, type TaskScheduleState, type VisitedTask } from './rollouts/task-schedule.ts';
export { RolloutCollector, type RolloutCollectorOptions } from './rollouts/rollout-collector.ts';
export { RolloutWindow, type RolloutWindowOptions } from './rollouts/rollout-window.ts';
export { ShuffledControl } from './rollouts/shuffled-control.ts';

// rollouts that ran before
export { readStoredRollouts } from './stored/stored-rollouts.ts';

// how failed rollouts count
export { FailureScoring } from './failures/failure-scoring.ts';
export { advanceShares, findFailureJump, findRisenFailures } from './failures/failure-jump.ts';

// what a run shows
export { describeOutsideCalls, explainNoCalls, findUnmatchedPatterns } from './rollouts/agents-seen.ts';
export { CallTable } from './rollouts/call-table.ts';
export { countFailures, describeFailure } from './failures/failure-counts.ts';
export { FaultNotices } from './rollouts/fault-notices.ts';
export { Progress, type ProgressMode, type ProgressOptions } from './progress/progress.ts';
export { PhaseClock } from './phase-clock.ts';
export { meanByKind, summariseRewards } from './rollouts/reward-summary.ts';
export { createStepMetrics, type StepLoad } from './step-metrics.ts';
export type {
  AnswerMetrics,
  CurvePoint,
  IdleShare,
  PhaseSeconds,
  RewardSummary,
  StepMetrics,
  ValidationMetrics,
} from './metrics.ts';

// what ails a run
export { AilmentWatch, type ToldFinding } from './ailments/ailment-watch.ts';
export { commonAilments } from './ailments/common-ailments.ts';
export type { Ailment, Finding, RunFacts, RunHistory } from './ailments/run-history.ts';
export { measureAnswers } from './ailments/answer-metrics.ts';
export { findSharedTasks } from './ailments/leaked-tasks.ts';
export { historyFigures } from './ailments/windows.ts';

// whether a run made the agent better
export { digestTasks, scoreEvaluation, type Evaluation } from './verdict/evaluation.ts';
export { rewardInterval, type Interval } from './verdict/reward-interval.ts';
export {
  compareEvaluations,
  describeVerdict,
  pairRewards,
  verdictExitCodes,
  type JudgedSide,
  type Verdict,
} from './verdict/verdict.ts';

// what a run spends, and where it ends for it
export { checkSpending, type SpendingRules } from './spending/spending-rules.ts';
export { SpendMeter } from './spending/spend-meter.ts';
export type { RunLimits } from './spending/limits.ts';
export type { ModelPrice } from './spending/prices.ts';
export type { Spend } from './spending/spend.ts';

// how a run ends early
export { Interrupt, type InterruptOptions } from './interrupt.ts';
