import { createRequire } from 'node:module';
import { AdapterError } from '@agent-lightning/core';
import { currentRollout, type AgentOptions } from '@agent-lightning/tracing';
import { Agent, getCurrentSpan, Runner } from '@openai/agents';
import { runs, selections, selectWithin } from './listener.ts';

let isFollowed = false;

/** Has the code of agents and tools run as the SDK's current span, once per process. */
export function followCurrentSpan(): void {
  if (isFollowed) return;
  isFollowed = true;
  runs.follow(currentCaller);
}

/** The current span's id; of a model call, that of the turn that makes it. */
function currentCaller(): string | undefined {
  const span = getCurrentSpan();
  const type = (span?.spanData as { readonly type?: unknown } | undefined)?.type;
  const isModelCall = type === 'generation' || type === 'response';
  return (isModelCall ? span?.parentId : span?.spanId) ?? undefined;
}

/** Selects among the agents of the run that is about to begin its first turn, and of those that it hands the conversation to. */
export function selectAgents(options: AgentOptions): void {
  const selection = selections.getStore();
  if (selection !== undefined) selection.options = options;
  let id = currentCaller();
  let isInside = false; // of the agent's own span: above it only its task is of the same run
  while (id !== undefined) {
    const run = runs.get(id);
    if (run === undefined || (isInside && run.detail.type !== 'task')) return;
    selectWithin(id, options);
    isInside = run.detail.type === 'agent';
    if (run.detail.type === 'task') return;
    id = run.detail.parentId;
  }
}

type Run = (this: Runner, agent: object, input: unknown, options?: unknown) => Promise<unknown>;
type RunnerPrototype = { run: Run; [followedKey]?: boolean };
const followedKey: unique symbol = Symbol.for('agentlightning.openai-agents.runner.v1');

/**
 * Has a run that goes on from a `RunState` select what its agent selects, once per copy of the SDK: such a run begins no agent that
 * could say so, and first runs the tools that were approved. `optionsOf` knows the wrapped agents.
 * @throws {AdapterError} `adapter-unsupported` for an agent of a copy that cannot be reached
 */
export function followResumedRuns(agent: unknown, optionsOf: (agent: object) => AgentOptions | undefined): void {
  const prototype = runnerOf(agent).prototype as unknown as RunnerPrototype;
  if (prototype[followedKey] === true) return;
  prototype[followedKey] = true;
  const run = prototype.run;
  prototype.run = function (given, input, runOptions) {
    if (currentRollout() === undefined) return run.call(this, given, input, runOptions);
    const resumed = resumedAgent(input);
    const options = resumed && joinOptions(optionsOf(resumed), optionsOf(given));
    return selections.run({ options, hasBegun: false }, () => run.call(this, given, input, runOptions));
  };
}

/** The options of the agent whose turn goes on; what they leave open, the agent that the run began with decides. */
function joinOptions(inner: AgentOptions | undefined, outer: AgentOptions | undefined): AgentOptions | undefined {
  return inner?.agentMatch === undefined ? (outer ?? inner) : inner;
}

/** The agent whose turn goes on; undefined for a run that begins. */
function resumedAgent(input: unknown): object | undefined {
  return (input as { readonly currentAgent?: object } | undefined)?.currentAgent;
}

type Sdk = { readonly Agent: typeof Agent; readonly Runner: typeof Runner };

/**
 * The `Runner` of the agent's copy of the SDK: an app that requires it has another one than this module, which imports it.
 * @throws {AdapterError} `adapter-unsupported` for an agent of a third copy, or of none
 */
function runnerOf(agent: unknown): typeof Runner {
  if (agent instanceof Agent) return Runner;
  const isSdk = /[\\/]agents-core[\\/]dist[\\/]index\.js$/;
  const loaded = Object.values(createRequire(process.execPath).cache).filter((module) => isSdk.test(module?.id ?? ''));
  const sdk = loaded.map((module) => module?.exports as Partial<Sdk>).find((copy) => isAgentOf(agent, copy));
  if (sdk?.Runner !== undefined) return sdk.Runner;
  const problem =
    'withLightning was given an Agent of another copy of @openai/agents than the app and this package share';
  throw new AdapterError(`${problem}; install and bundle one: npm ls @openai/agents`, { code: 'adapter-unsupported' });
}

const isAgentOf = (agent: unknown, { Agent: Known }: Partial<Sdk>): boolean =>
  Known !== undefined && agent instanceof Known;
