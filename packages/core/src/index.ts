// errors
export {
  AdapterError,
  BackendError,
  ConfigurationError,
  GatewayError,
  LightningError,
  StoreError,
  TimeoutError,
  TraceError,
  TrainerError,
  UserCodeError,
  type LightningErrorCode,
  type LightningErrorOptions,
} from './errors.ts';

// vocabulary
export type { JsonValue } from './vocabulary/json.ts';
export {
  attemptTransitions,
  isFinalAttemptStatus,
  isFinalRolloutStatus,
  rolloutTransitions,
  type Attempt,
  type AttemptStatus,
  type Failure,
  type Lease,
  type RetryPolicy,
  type Rollout,
  type RolloutMode,
  type RolloutStatus,
  type RolloutTimeouts,
} from './vocabulary/rollout.ts';
export type { AttributeValue, Attributes, Span, SpanInput, SpanKind, SpanStatus } from './vocabulary/span.ts';
export { attributeNames, rewardNameAttribute, rewardValueAttribute } from './vocabulary/attributes.ts';
export type { TokenBlob } from './vocabulary/tokens.ts';
export type {
  LlmEndpoint,
  NamedResources,
  Resource,
  ResourcesVersion,
  SamplingParameters,
} from './vocabulary/resources.ts';

// store
export type {
  Claim,
  ClaimRequest,
  EnqueueRequest,
  HeartbeatReply,
  LightningStore,
  Page,
  RolloutQuery,
  SpanQuery,
  StoreEvent,
  StoreStatistics,
  WaitOptions,
  WorkerRecord,
  WorkFilter,
} from './store/lightning-store.ts';
export { MemoryStore } from './store/memory-store.ts';
export { exportRun, type ExportedRollout } from './store/export-run.ts';

// for authors of stores
export { RowStore } from './store/row-store.ts';
export { CheckedStore } from './store/checked-store.ts';
export { RowCalls } from './store/row-calls.ts';
export type { StoreCalls } from './store/store-calls.ts';
export type { RowStoreOptions } from './store/row-store-options.ts';
export type {
  AttemptRow,
  Awaitable,
  ClaimableFilter,
  NewResources,
  NewStoreEvent,
  ResolvedRolloutQuery,
  RolloutRow,
  RowDatabase,
  RowReader,
  RowWriter,
  StoredSpan,
} from './store/rows.ts';
export { storeLimits } from './store/field-checks.ts';
export { readEventCursor, readPageCursor, storeClosed } from './store/store-errors.ts';
export {
  decodeAttempt,
  decodeEvent,
  decodeResources,
  decodeRollout,
  decodeSpan,
  decodeStoredSpan,
  encodeFailure,
  encodeSettings,
  encodeSpanBody,
  openBodyStart,
  packTokens,
  type SqlRow,
} from './store/sql-rows.ts';

// tracing
export {
  TraceRecorder,
  type OpenSpan,
  type SpanOutcome,
  type StartSpan,
  type TraceRecorderOptions,
} from './tracing/trace-recorder.ts';
export {
  deriveTraceId,
  formatTraceParent,
  isSpanId,
  isTraceId,
  parseTraceParent,
  randomSpanId,
} from './tracing/identifiers.ts';
export { validateSpan } from './tracing/validate-span.ts';
export {
  readReward,
  rewardAttributes,
  type Reward,
  type RewardAttributesOptions,
  type RewardDimension,
  type RewardScope,
  type RewardValue,
} from './tracing/reward-span.ts';
export { wireHeaders } from './tracing/wire-headers.ts';
export { currentRollout, requireRollout, runInRollout, type RolloutScope } from './tracing/rollout-scope.ts';
export { isLive, refuseUntraceable } from './tracing/untraceable.ts';
export { activeSpan, runInSpan, type ActiveAgent, type ActiveSpan } from './tracing/active-span.ts';
export { capText, describeValue, flattenAttributes, type NestedAttributes } from './tracing/attribute-values.ts';
export {
  emitException,
  emitMessage,
  emitObject,
  emitReward,
  type EmitOptions,
  type EmitRewardOptions,
} from './tracing/emitters.ts';
export { operation, runOperation } from './tracing/operation.ts';
export { errorOutcome, exceptionAttributes } from './tracing/exception-attributes.ts';
export { agentOptions, type AgentOptions } from './tracing/agent-options.ts';
export { FrameworkRuns, type BeginRun, type FrameworkRun, type TracedRun } from './tracing/framework-runs.ts';
export {
  agentSpan,
  answerAttributes,
  modelCallSpan,
  toolOutcome,
  toolSpan,
  type FrameworkSpan,
  type ModelCallAnswer,
  type ModelCallStart,
  type ToolCallStart,
} from './tracing/framework-spans.ts';
export {
  describeAgentMatch,
  everyAgent,
  matchesAgent,
  noAgent,
  selectsNoAgent,
  type AgentMatch,
  type AgentRule,
  type AgentSelection,
} from './tracing/agent-match.ts';
export { installFetchRedirect } from './tracing/redirect/fetch-redirect.ts';

// transitions
export type {
  Episode,
  SeenAgent,
  StepSignal,
  TraceProblem,
  Transition,
  UntrainableCall,
} from './transitions/transition.ts';
export { toEpisode, type ToEpisodeOptions } from './transitions/to-episode.ts';
export {
  toMessages,
  type Conversation,
  type Conversations,
  type ToMessagesOptions,
} from './transitions/to-messages.ts';

// LightningRL
export { buildBatch, type LightningRLOptions } from './lightning-rl/algorithm.ts';
export { splitMinibatches } from './lightning-rl/minibatches.ts';
export { assignCredit, checkCredit, type Credit } from './lightning-rl/credit-assignment.ts';
export {
  defaultIntermediateRules,
  intermediateRewards,
  type Intermediate,
  type IntermediateRules,
} from './lightning-rl/intermediate-rewards.ts';
export {
  estimateAdvantages,
  estimators,
  type AdvantageEstimate,
  type Estimator,
  type RolloutReturns,
} from './lightning-rl/advantages.ts';
export { checkTokenWeighting } from './lightning-rl/loss-weights.ts';
export { buildRows, type RowLayout } from './lightning-rl/rows.ts';
export { lossAndDerivative, toSurrogateRow, type LossAndDerivative } from './lightning-rl/losses.ts';
export {
  policyLossAndDerivative,
  policyLosses,
  type PolicyLoss,
  type PolicyLossValue,
} from './lightning-rl/policy-loss.ts';
export { type RatioBounds, type SequenceRow } from './lightning-rl/sequence-ratio.ts';
export {
  builtInLoss,
  isTrainable,
  objectiveAndDerivative,
  type Objective,
  type ObjectiveRow,
} from './lightning-rl/objective.ts';
export { policyDrift, type PolicyDrift } from './lightning-rl/policy-drift.ts';
export { penalizeDivergence } from './lightning-rl/reference-penalty.ts';
export type {
  BatchRow,
  DroppedFromBatch,
  LightningBatch,
  Minibatch,
  RowSegment,
  TokenWeighting,
} from './lightning-rl/batch.ts';

// runner
export type { ModelGateway } from './runner/model-gateway.ts';
export type { RolloutContext, RolloutFunction, RolloutResult } from './runner/rollout-function.ts';
export { Runner, type RunnerSummary } from './runner/runner.ts';
export type { RunnerOptions } from './runner/runner-options.ts';
export { guardTree, hasProcessGroups, signalTree, unrefChild } from './runner/command/process-tree.ts';
export { runCommand } from './runner/command/run-command.ts';
export type { CommandResult, CommandReward, RunCommandOptions } from './runner/command/command-options.ts';
export type { AttemptOutcome, RolloutEnd, RolloutStart, RunnerHooks } from './runner/runner-hooks.ts';

// production
export {
  captureRollouts,
  type CapturedRun,
  type CaptureRunOptions,
  type FeedbackOptions,
  type RolloutCapture,
} from './production/rollout-capture.ts';
export type { CaptureDropReason, CaptureOptions, Redact, RedactedText } from './production/capture-options.ts';
export type { CaptureStatistics } from './production/capture-ledger.ts';
export type { RewardReceipt } from './production/write-queue.ts';
export {
  toSftRows,
  toTasks,
  type CapturedTask,
  type SftRow,
  type SftRows,
  type ToSftRowsOptions,
} from './production/captured-data.ts';

// training backend
export type {
  AdamParameters,
  BackendCapabilities,
  ChatMessage,
  ForwardBackwardResult,
  GenerateEvent,
  GenerateRequest,
  Loss,
  OptimStepResult,
  PolicyRelease,
  PolicySpec,
  SamplingEngine,
  ServerWatch,
  ToolCallFormat,
  TrainablePolicy,
  TrainingBackend,
  TrainingRow,
} from './backend.ts';
export { adamDefaults, checkLoss, checkPolicySpec, checkRows, resolveAdam, type RowLimits } from './backend-checks.ts';
