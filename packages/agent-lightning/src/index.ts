// the config of the command
export {
  defineConfig,
  type BackendChoice,
  type BackendSource,
  type LightningConfig,
  type TaskSource,
} from './config/define-config.ts';

// training
export {
  distill,
  grpo,
  sft,
  Trainer,
  type FitOptions,
  type Grpo,
  type GrpoOptions,
  type TrainerOptions,
} from '@agent-lightning/trainer';
export type { PolicyOptions, StepMetrics, TrainerHooks, TrainingResult } from '@agent-lightning/trainer';
export type { DevOptions, DevReport } from '@agent-lightning/trainer';

// metrics of a run, written where a team looks at them
export { mlflow, tensorBoard } from '@agent-lightning/trainer';

// tasks in files
export { readTasks, streamTasks, type ReadTasksOptions, type TaskRecord } from '@agent-lightning/trainer';

// evaluation, and rewards looked at again
export { compareEvaluations, describeVerdict, rescore, verdictExitCodes } from '@agent-lightning/trainer';
export type { CompareOptions, EvaluateOptions, Evaluation, Verdict, VerdictOptions } from '@agent-lightning/trainer';
export type { RescoreOptions, StoredRollout } from '@agent-lightning/trainer';

// where policies train
export { createCheckpoint, embedded, type EmbeddedOptions } from '@agent-lightning/embedded';
export { gpu, tinker, type GpuOptions, type TinkerOptions, type VllmOptions } from '@agent-lightning/trainer';
export { setUpPython, setUpStarterModel } from '@agent-lightning/gpu';

// improving prompts instead of weights
export { apo, gepa } from '@agent-lightning/prompt-optimizer';

// rewards and events that an agent gives while it runs, and the prompts that it names
export { emitException, emitMessage, emitObject, emitReward, operation } from '@agent-lightning/tracing';
export { compare, judge, loadPrompts, measureAgreement, promptTemplate } from '@agent-lightning/tracing';

// running agents
export { runCommand, Runner, type RunCommandOptions, type RunnerOptions } from '@agent-lightning/runner';
export type { RolloutContext, RolloutFunction, RolloutResult } from '@agent-lightning/runner';
export { connectGateway, Gateway, type GatewayOptions } from '@agent-lightning/gateway';

// live traffic
export { captureRollouts, exportSft, toTasks, type CaptureOptions } from '@agent-lightning/capture';

// stores, and what is in them
export { exportRun, MemoryStore, type ExportedRollout } from '@agent-lightning/store';
export { openSqliteStore } from '@agent-lightning/store-sqlite';
export { toEpisode, toMessages } from '@agent-lightning/core';
export type { Episode, LightningStore, Rollout, Span, Transition } from '@agent-lightning/core';

// contracts
export type { AgentMatch, Algorithm, JsonValue, Logger, TrainingBackend } from '@agent-lightning/core';

// errors
export { LightningError, type LightningErrorCode } from '@agent-lightning/core';
