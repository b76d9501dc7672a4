import { createRequire } from 'node:module';
import { AdapterError } from '@agent-lightning/core';
import { currentRollout, type AgentOptions } from '@agent-lightning/tracing';
import { Agent, getCurrentSpan, Runner } from '@openai/agents';
import { runs, selections } from './listener.ts';

let isFollowed = false;

/** Has the code of agents and tools run as the SDK's current span, once per process. */
export function followCurrentSpan(): void {
  if (isFollowed) return;
  isFollowed = true;
  runs.follow(currentCaller);
}

/** Returns the current span's id; of a model call, that of the turn that makes it. */
function currentCaller(): string | undefined {
  const span = getCurrentSpan();
  const type = (span?.spanData as { readonly type?: unknown } | undefined)?.type;
  const isModelCall = type === 'generation' || type === 'response';
  return (isModelCall ? span?.parentId : span?.spanId) ?? undefined;
}

/** Puts wrappers around the agents of the run that is about to begin its first turn, and of those that it hands the conversation to. */
function addToRun(wrappers: readonly AgentOptions[]): void {
  const selection = selections.getStore();
  if (selection !== undefined && !wrappers.every((wrapper) => selection.wrappers.includes(wrapper)))
    selection.wrappers = [...wrappers, ...selection.wrappers];
  let id = currentCaller();
  let isInside = false; // of the agent's own span: above it only its task is of the same run
  while (id !== undefined) {
    const run = runs.get(id);
    if (run === undefined || (isInside && run.detail.type !== 'task')) return;
    runs.refine(id, wrappers);
    isInside = run.detail.type === 'agent';
    if (run.detail.type === 'task') return;
    id = run.detail.parentId;
  }
}

type Method = (this: object, ...args: unknown[]) => unknown;

// By the object that has a method, mostly a class of the SDK, for all copies of this package.
const replacedKey: symbol = Symbol.for('agentlightning.openai-agents.replaced.v1');
const globals = globalThis as unknown as Record<symbol, WeakMap<object, Set<string>> | undefined>;
const replaced: WeakMap<object, Set<string>> = (globals[replacedKey] ??= new WeakMap());

/** Has the SDK tell when a wrapped agent begins, and wraps its clones; once for each class of agents, and without a change to the agent. */
export function followAgent(agent: object): void {
  replaceOnce(agent, 'emit', (emit) => {
    return function (this: object, ...args: unknown[]): unknown {
      if (args[0] === 'agent_start' && currentRollout() !== undefined) addToRun(runs.wrappersOf(this));
      return emit.apply(this, args);
    };
  });
  replaceOnce(agent, 'clone', (clone) => {
    return function (this: object, ...args: unknown[]): unknown {
      const cloned = clone.apply(this, args) as object;
      if (runs.wrappersOf(this).length > 0) {
        runs.wrap(cloned, undefined, this);
        followAgent(cloned);
      }
      return cloned;
    };
  });
}

/** Replaces a method of the object or class that the agent has it from. */
function replaceOnce(agent: object, name: string, replace: (original: Method) => Method): void {
  const owner = ownerOf(agent, name);
  const known = replaced.get(owner) ?? new Set();
  if (known.has(name)) return;
  replaced.set(owner, known.add(name));
  const descriptor = Object.getOwnPropertyDescriptor(owner, name);
  Object.defineProperty(owner, name, { ...descriptor, value: replace(descriptor?.value as Method) });
}

/** @throws {AdapterError} `adapter-unsupported` for an agent without that method */
function ownerOf(agent: object, name: string): object {
  for (let owner: object | null = agent; owner !== null; owner = Object.getPrototypeOf(owner) as object | null)
    if (typeof Object.getOwnPropertyDescriptor(owner, name)?.value === 'function') return owner;
  throw new AdapterError(
    `this version of @openai/agents has agents without the method ${name}, so they cannot be followed; use @openai/agents ^0.20.0`,
    { code: 'adapter-unsupported' },
  );
}

type Run = (this: Runner, agent: object, input: unknown, options?: unknown) => Promise<unknown>;
type RunnerPrototype = { run: Run; [followedKey]?: boolean };
const followedKey: unique symbol = Symbol.for('agentlightning.openai-agents.runner.v1');

/**
 * Has a run that goes on from a `RunState` select what its agent selects, once per copy of the SDK: such a run begins no agent that
 * could say so, and first runs the tools that were approved.
 * @throws {AdapterError} `adapter-unsupported` for an agent of a copy that cannot be reached
 */
export function followResumedRuns(agent: unknown): void {
  const prototype = runnerOf(agent).prototype as unknown as RunnerPrototype;
  if (prototype[followedKey] === true) return;
  prototype[followedKey] = true;
  const run = prototype.run;
  prototype.run = function (given, input, runOptions) {
    const wrappers = resumedAgent(input) === undefined ? runs.wrappersOf(given) : wrappersOfResumed(given, input);
    if (currentRollout() === undefined && !runs.serves(wrappers)) return run.call(this, given, input, runOptions);
    const selection = { wrappers: wrappersOfResumed(given, input), hasBegun: false };
    return runs.serve(wrappers, () => selections.run(selection, () => run.call(this, given, input, runOptions)));
  };
}

/** Returns the wrappers of the agent whose turn goes on, inside those of the agent that is given; none for a run that begins. */
function wrappersOfResumed(given: object, input: unknown): readonly AgentOptions[] {
  const resumed = resumedAgent(input);
  if (resumed === undefined) return [];
  const inner = runs.wrappersOf(resumed);
  return resumed === given ? inner : [...inner, ...runs.wrappersOf(given)];
}

/** Returns the agent whose turn goes on; undefined for a run that begins. */
function resumedAgent(input: unknown): object | undefined {
  return (input as { readonly currentAgent?: object } | undefined)?.currentAgent;
}

type Sdk = { readonly Agent: typeof Agent; readonly Runner: typeof Runner };

/**
 * Returns the `Runner` of the agent's copy of the SDK: an app that requires it has another one than this module, which imports it.
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
