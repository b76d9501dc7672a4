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
} from './errors.ts';

// what a rollout is, and what is written down of it
export type { JsonValue } from './vocabulary/json.ts';
export type { Attempt, Failure, Lease, RetryPolicy, Rollout, RolloutMode } from './vocabulary/rollout.ts';
export { failureKinds } from './failures/failure-kind.ts';
export type { Attributes, AttributeValue, Span, SpanInput } from './vocabulary/span.ts';
export type { ChatMessage } from './vocabulary/chat-message.ts';
export { isLogprob, type TokenBlob } from './vocabulary/tokens.ts';
export type { LlmEndpoint, NamedResources, ResourcesVersion } from './vocabulary/resources.ts';
export { attributeNames, rewardNameAttribute, rewardValueAttribute } from './vocabulary/attributes.ts';
export { readReward, rewardAttributes, type RewardValue } from './vocabulary/reward-span.ts';
export { describeAgentMatch, matchesAgent, type AgentMatch } from './vocabulary/agent-match.ts';

// what a store promises
export type { Claim, EnqueueRequest, LightningStore, SpanQuery, StoreEvent } from './contracts/lightning-store.ts';

// what a gateway promises
export type { ModelGateway, PolicyRoutes, TrainingGateway } from './contracts/model-gateway.ts';

// what a training backend and its engine promise
export type {
  AdamParameters,
  BackendCapabilities,
  GenerateEvent,
  GenerateRequest,
  Loss,
  PolicySnapshot,
  SamplingEngine,
  ServerWatch,
  ToolCallFormat,
  TrainablePolicy,
  TrainingBackend,
  TrainingSample,
} from './contracts/training-backend.ts';
export { backendChecks } from './contracts/backend-checks.ts';

// what an algorithm promises
export type {
  Algorithm,
  AlgorithmHost,
  AlgorithmRun,
  Examination,
  MetricChart,
  PlannedRollout,
  Rehearsal,
  RolloutExcerpt,
  RoutedPolicy,
  StepOutcome,
  StepRollouts,
} from './contracts/algorithm.ts';
export type { Logger } from './contracts/logger.ts';

// from spans to transitions
export { toEpisode } from './transitions/to-episode.ts';
export { toMessages } from './transitions/to-messages.ts';
export type { Episode, Transition } from './transitions/transition.ts';

// LightningRL: from transitions to training samples
export { buildBatch, checkLightningRLOptions, type LightningRLOptions } from './lightning-rl/algorithm.ts';
export type { BatchSample, LightningBatch } from './lightning-rl/batch.ts';
export { buildDemonstrations } from './lightning-rl/demonstrations.ts';
export { checkLogprobs, lossAndDerivative, toSurrogateSample } from './lightning-rl/losses.ts';
export { splitMinibatches } from './lightning-rl/minibatches.ts';
export { adjustBatch } from './lightning-rl/adjust-batch.ts';

// small things that every part needs
export { check } from './checks/option-checks.ts';
export { randomOrder, seededRandom } from './seeded-random.ts';
export { toTerminalText } from './terminal-text.ts';
