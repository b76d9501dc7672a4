// scripted model server
export {
  startModelServer,
  type ModelServer,
  type ModelServerOptions,
  type RecordedCall,
  type Responder,
} from './model-server/model-server.ts';
export type {
  ChatRequest,
  ScriptedChoice,
  ScriptedFault,
  ScriptedReply,
  ScriptedToolCall,
} from './model-server/scripted-reply.ts';
export {
  endOfTurnToken,
  promptTokensOf,
  scriptedPromptTokens,
  tokenizeScripted,
  type ScriptedToken,
} from './model-server/scripted-tokens.ts';

// a vLLM server without a model
export { startFakeVllm, type FakeVllm, type FakeVllmFlags, type FakeVllmOptions } from './vllm/fake-vllm.ts';
export type { AdapterEvent } from './vllm/adapters.ts';

// contract suite of training backends
export { describeBackend } from './backend/describe-backend.ts';
export type { BackendFixture, BackendSuiteOptions, OpenBackend } from './backend/backend-fixture.ts';
export { tinyModel } from './backend/tiny-model.ts';
export { collectGeneration, type CollectedChoice, type CollectedGeneration } from './backend/collect-generation.ts';

// a fake Tinker-style training server
export {
  startFakeTinker,
  type FakeTinker,
  type FakeTinkerOptions,
  type TinkerCall,
  type TinkerFault,
} from './tinker-server/fake-tinker.ts';
export type { AppliedOperation, FakeEngine } from './tinker-server/fake-engine.ts';
export type { FakeDialect } from './tinker-server/fake-shapes.ts';

// recorded conversations with training servers
export { exerciseBackend, type ExerciseOptions } from './exchange/exercise-backend.ts';
export type { ExchangeFixture, RecordedExchange } from './exchange/exchange-fixture.ts';
export { startRecordingProxy, type RecordingProxy } from './exchange/recording-proxy.ts';
export { startReplayServer, type ReplayDifference, type ReplayServer } from './exchange/replay-server.ts';

// contract suite of stores
export { describeStore } from './store/describe-store.ts';
export type { OpenStore, StoreSuiteOptions, StoreUnderTest } from './store/store-fixture.ts';
export type { ModelSuiteOptions } from './store/describe-model.ts';

// a real PostgreSQL server for tests
export { startPostgres, type PostgresServer, type PostgresServerOptions } from './postgres/start-postgres.ts';

// contract suite of adapters
export { describeAdapter } from './adapter/describe-adapter.ts';
export {
  adapterScenarios,
  type AdapterScenario,
  type AdapterUnderTest,
  type AgentSpec,
  type AgentToolSpec,
  type BuildRequest,
  type BuiltAgent,
  type FunctionToolSpec,
  type OwnModel,
} from './adapter/adapter-under-test.ts';
export {
  agentNamesOf,
  instructionsOf,
  parentSpanOf,
  scriptAgents,
  type AgentScript,
  type AgentTurn,
} from './adapter/scripted-agents.ts';
export { outlineTrace, type OutlineOptions } from './adapter/outline-trace.ts';
export { startTestRollout, type TestRollout } from './adapter/test-rollout.ts';
