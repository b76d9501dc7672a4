/** An agent as a scenario describes it; an adapter's fixture builds it in its framework. */
export interface AgentSpec {
  /** Also the agent's name in the framework: node, agent or id. */
  readonly name: string;
  /** The system prompt, word for word: the scripted model knows the agent by it. */
  readonly instructions: string;
  readonly tools?: readonly (FunctionToolSpec | AgentToolSpec)[];
  /** Agents that this one can give the conversation to, by the tool `transfer_to_{name}` without arguments. */
  readonly handoffs?: readonly AgentSpec[];
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

/** What the agent's own model is. */
export interface OwnModel {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  /** How often the framework or its client may ask again after an error that may pass. */
  readonly maxRetries: number;
}

export interface BuildRequest {
  readonly agent: AgentSpec;
  /** The model of every agent. */
  readonly model: OwnModel;
  /** The options of `withLightning`; undefined for the agent as it is without the adapter. */
  readonly wrap: { readonly agentMatch?: RegExp } | undefined;
}

/** The agent in its framework. */
export interface BuiltAgent {
  /** Runs the agent on a user message; resolves with its last text, rejects when the run fails. */
  run(input: string): Promise<string>;
  /** The same with the framework's streaming, read to the end. */
  stream(input: string): Promise<string>;
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
  'outside a rollout',
  'production mode',
] as const;

export type AdapterScenario = (typeof adapterScenarios)[number];

/** An adapter and its framework, as `describeAdapter` needs them. */
export interface AdapterUnderTest {
  /** Names of the agent spans that the framework puts around or between a scenario's agents, such as a graph; any other is a mistake. */
  readonly layers?: readonly string[];
  /** The scenarios that the framework cannot do, each with the reason. */
  readonly unsupported?: Readonly<Partial<Record<AdapterScenario, string>>>;
  build(request: BuildRequest): BuiltAgent | Promise<BuiltAgent>;
}
