import type { AgentOptions } from '@agent-lightning/tracing';

/** An agent as a scenario describes it; an adapter's fixture builds it in its framework. */
export interface AgentSpec {
  /** The agent's name, also in the framework: as a node, an agent or an id. */
  readonly name: string;
  /** The system prompt, word for word: the scripted model knows the agent by it. */
  readonly instructions: string;
  readonly tools?: readonly (FunctionToolSpec | AgentToolSpec)[];
  /** Agents that this one can give the conversation to, by the tool `transfer_to_{name}` without arguments. */
  readonly handoffs?: readonly AgentSpec[];
  /** The options of `withLightning`, for the agent of a tool that is wrapped on its own. */
  readonly wrap?: AgentOptions;
}

/** A tool that is a function. Its parameters are strings, all required. */
export interface FunctionToolSpec {
  readonly name: string;
  readonly description: string;
  readonly parameters: readonly string[];
  readonly execute: (args: Readonly<Record<string, string>>) => Promise<string>;
}

/** A tool that runs another agent on its only parameter, `input`, and returns its answer. */
export interface AgentToolSpec {
  readonly name: string;
  readonly description: string;
  readonly agent: AgentSpec;
}

/** The agent's own model. */
export interface OwnModel {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  /** The most times that the framework or its client asks again after an error that may pass. */
  readonly maxRetries: number;
  /** Holds what the app gives its client and provider beside that. @default nothing */
  readonly client?: OwnClient;
}

/** Holds what an app gives the client and the provider of its model: all of it must be in what is sent, wherever the call goes. */
export interface OwnClient {
  /** The client's own `fetch`. */
  readonly fetch: typeof fetch;
  /** Headers of each call. */
  readonly headers: Readonly<Record<string, string>>;
  /** Fields of each call's body, which the app gives as options of the provider. */
  readonly body: Readonly<Record<string, string | boolean>>;
}

export interface BuildRequest {
  readonly agent: AgentSpec;
  /** The model of every agent. */
  readonly model: OwnModel;
  /**
   * Tells whether the agent is going to be wrapped. An adapter that knows the agent of a tool by its name only where that one is wrapped
   * on its own wraps it then, without options where its `wrap` has none.
   */
  readonly isWrapped: boolean;
}

/** The scenarios of the contract, in the order of the table. */
export const adapterScenarios = [
  'single turn',
  'tool call',
  'parallel tools',
  'handoff',
  'nested run',
  'streaming',
  'abort',
  'model error',
  'model error with retry',
  'tool error',
  'agentMatch subset',
  'tracing only',
  'two runs interleaved',
  '20 concurrent runs',
  'wrapped twice',
  'outside a rollout',
  'original unchanged',
  'client built before',
  'production mode',
  'own telemetry',
  'own client',
  'hostile tools',
  'prompts replaced',
  'promoted prompts',
] as const;

export type AdapterScenario = (typeof adapterScenarios)[number];

/** An app of its own process, which shows that a client is reached that was built before the adapter was loaded. */
export interface EarlyApp {
  /**
   * A module that builds an agent whose client keeps `globalThis.fetch`, and only then imports the adapter, wraps the agent, and runs it
   * in a rollout of `startTestRollout`. It is given the URLs of the agent's own model and of the policy, and prints the agent's answer.
   */
  readonly file: string;
  /** Arguments of Node before the file. @default none */
  readonly nodeArguments?: readonly string[];
}

/** An agent that an app watches by tracing, telemetry and middleware of its own, as users of the framework set them up. */
export interface WatchedAgent<Agent extends object = object> {
  readonly agent: Agent;
  /**
   * Returns what the app's own were told since the last call, one line each, which begins with the name of the watcher. Ids and times are
   * left out; what is told twice, is twice.
   */
  heard(): Promise<readonly string[]>;
  /** Takes away what holds for the whole process. */
  stop(): void | Promise<void>;
}

/** An adapter and its framework, as `describeAdapter` needs them; `Agent` is what `withLightning` takes. */
export interface AdapterUnderTest<Agent extends object = object> {
  /** Names of the agent spans that the framework puts around or between a scenario's agents, such as a graph; any other is a mistake. */
  readonly layers?: readonly string[];
  /** The scenarios that the framework cannot do, each with the reason. */
  readonly unsupported?: Readonly<Partial<Record<AdapterScenario, string>>>;
  /** The object that `withLightning` returns: the agent that it was given, or a new one beside an original that stays as it was. */
  readonly returns: 'the same agent' | 'a new agent';
  readonly earlyApp: EarlyApp;
  /** Builds the agent without a wrapper. */
  build(request: BuildRequest): Agent | Promise<Agent>;
  /** Calls `withLightning`. */
  wrap(agent: Agent, options: AgentOptions): Agent;
  /** Builds the agent as `build` does, without a wrapper, and watches it by everything in `watchers`. */
  watch(request: BuildRequest): WatchedAgent<Agent> | Promise<WatchedAgent<Agent>>;
  /**
   * Names the ways to watch an agent. One with `training: 'silent'` hears nothing of a rollout of a trainer, as the adapter's README says;
   * everywhere else, and of the others everywhere, the app's own must hear and do what it does without a wrapper.
   */
  readonly watchers: Readonly<Record<string, { readonly training: 'hears' | 'silent' }>>;
  /** Runs the agent on a user message; resolves with its last text, rejects when the run fails. */
  run(agent: Agent, input: string): Promise<string>;
  /** Does the same as `run` with the framework's streaming, read to the end. */
  stream(agent: Agent, input: string): Promise<string>;
}
