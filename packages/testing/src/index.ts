// scripted model server: an OpenAI-compatible server that says what a test tells it to
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
  scriptedPromptTokens,
  tokenizeScripted,
  type ScriptedToken,
} from './model-server/scripted-tokens.ts';

// contract suite of training backends, the tiny model that it trains, and a reader of what an engine generates
export { describeBackend } from './backend/describe-backend.ts';
export type { BackendFixture, BackendSuiteOptions, OpenBackend } from './backend/backend-fixture.ts';
export { tinyModel } from './backend/tiny-model.ts';
export { collectGeneration, type CollectedChoice, type CollectedGeneration } from './backend/collect-generation.ts';

// contract suite of stores
export { describeStore } from './store/describe-store.ts';
export type { OpenStore, StoreSuiteOptions, StoreUnderTest } from './store/store-fixture.ts';
export type { ModelSuiteOptions } from './store/describe-model.ts';

// a real PostgreSQL server for tests
export { startPostgres, type PostgresServer, type PostgresServerOptions } from './postgres/start-postgres.ts';

// contract suite of adapters, and rollouts without a store for an adapter's own tests
export { describeAdapter } from './adapter/describe-adapter.ts';
export {
  adapterScenarios,
  type AdapterScenario,
  type AdapterUnderTest,
  type AgentSpec,
  type AgentToolSpec,
  type BuildRequest,
  type FunctionToolSpec,
  type OwnClient,
  type OwnModel,
  type WatchedAgent,
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
