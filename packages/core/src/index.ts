// core
export {
  AdapterError,
  BackendError,
  ConfigurationError,
  GatewayError,
  LightningError,
  type LightningErrorCode,
  type LightningErrorOptions,
  StoreError,
  TimeoutError,
  TraceError,
  TrainerError,
  UserCodeError,
} from './errors.ts';
export { randomOrder, seededRandom } from './seeded-random.ts';

// checks
export { check } from './checks/option-checks.ts';

// contracts
export {
  type RowLimits,
  adamDefaults,
  checkLoss,
  checkPolicySpec,
  checkRows,
  resolveAdam,
} from './contracts/backend-checks.ts';
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
  WorkFilter,
  WorkerRecord,
} from './contracts/lightning-store.ts';
export type { ModelGateway } from './contracts/model-gateway.ts';
export type {
  AdamParameters,
  BackendCapabilities,
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
} from './contracts/training-backend.ts';

// lightning-rl
export {
  type AdvantageEstimate,
  type Estimator,
  type RolloutReturns,
  estimateAdvantages,
  estimators,
} from './lightning-rl/advantages.ts';
export { type LightningRLOptions, buildBatch } from './lightning-rl/algorithm.ts';
export type {
  BatchRow,
  DroppedFromBatch,
  LightningBatch,
  Minibatch,
  RowSegment,
  TokenWeighting,
} from './lightning-rl/batch.ts';
export { type Credit, assignCredit, checkCredit } from './lightning-rl/credit-assignment.ts';
export {
  type Intermediate,
  type IntermediateRules,
  defaultIntermediateRules,
  intermediateRewards,
} from './lightning-rl/intermediate-rewards.ts';
export { checkTokenWeighting } from './lightning-rl/loss-weights.ts';
export { type LossAndDerivative, checkLogprobs, lossAndDerivative, toSurrogateRow } from './lightning-rl/losses.ts';
export { splitMinibatches } from './lightning-rl/minibatches.ts';
export { penalizeDivergence } from './lightning-rl/reference-penalty.ts';
export { type RowLayout, buildRows } from './lightning-rl/rows.ts';

// transitions
export { type ToEpisodeOptions, toEpisode } from './transitions/to-episode.ts';
export {
  type Conversation,
  type Conversations,
  type ToMessagesOptions,
  toMessages,
} from './transitions/to-messages.ts';
export type {
  Episode,
  SeenAgent,
  StepSignal,
  TraceProblem,
  Transition,
  UntrainableCall,
} from './transitions/transition.ts';

// vocabulary
export { type AgentMatch, describeAgentMatch, matchesAgent } from './vocabulary/agent-match.ts';
export { attributeNames, rewardNameAttribute, rewardValueAttribute } from './vocabulary/attributes.ts';
export type { ChatMessage } from './vocabulary/chat-message.ts';
export type { JsonValue } from './vocabulary/json.ts';
export type {
  LlmEndpoint,
  NamedResources,
  Resource,
  ResourcesVersion,
  SamplingParameters,
} from './vocabulary/resources.ts';
export {
  type Reward,
  type RewardAttributesOptions,
  type RewardDimension,
  type RewardScope,
  type RewardValue,
  readReward,
  rewardAttributes,
} from './vocabulary/reward-span.ts';
export {
  type Attempt,
  type AttemptStatus,
  type Failure,
  type Lease,
  type RetryPolicy,
  type Rollout,
  type RolloutMode,
  type RolloutStatus,
  type RolloutTimeouts,
  attemptTransitions,
  isFinalAttemptStatus,
  isFinalRolloutStatus,
  rolloutTransitions,
} from './vocabulary/rollout.ts';
export {
  type AttributeValue,
  type Attributes,
  type Span,
  type SpanInput,
  type SpanKind,
  type SpanStatus,
  endsOpenSpan,
} from './vocabulary/span.ts';
export { type TokenBlob, isLogprob } from './vocabulary/tokens.ts';

// algorithms
export type {
  Algorithm,
  AlgorithmHost,
  AlgorithmRun,
  AlgorithmUses,
  Examination,
  MetricChart,
  PlannedRollout,
  Rehearsal,
  RolloutSample,
  RoutedPolicy,
  SampledRow,
  SampledSegment,
  StepOutcome,
  StepRollouts,
} from './contracts/algorithm.ts';
export type { Logger } from './contracts/logger.ts';
export type { PolicyRoutes, TrainingGateway } from './contracts/model-gateway.ts';
