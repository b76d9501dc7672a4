import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { activeSpan, currentRollout, errorOutcome, toolOutcome, type AgentOptions } from '@agent-lightning/core';
import { chooseModel, endFailedCall, runs, type AgentCall } from './caller.ts';
import { agentRun, toolRun } from './spans.ts';

type Method = (...args: never[]) => unknown;

/** The members of Mastra's agent that are followed. */
export interface FollowedAgent {
  readonly id: string;
  generate: Method;
  stream: Method;
  resolveModelConfig: Method;
  convertTools: Method;
  listAgents: Method;
}

/** An agent that nobody wrapped, and that no wrapped agent calls: it is traced, and keeps its model. */
const noAgent: RegExp = /(?!)/;

// By agent, for all copies of this package; undefined for a sub-agent that was not wrapped itself.
const key: symbol = Symbol.for('agentlightning.mastra.agents.v1');
const globals = globalThis as unknown as Record<symbol, WeakMap<object, AgentOptions | undefined> | undefined>;
const followed: WeakMap<object, AgentOptions | undefined> = (globals[key] ??= new WeakMap());

/** The agent's run that the code belongs to. */
const calls = new AsyncLocalStorage<AgentCall>();

/** Follows an agent, once; a wrapped one takes the new options. */
export function follow(agent: FollowedAgent, options: AgentOptions | undefined): void {
  const isNew = !followed.has(agent);
  if (isNew || options !== undefined) followed.set(agent, options);
  if (!isNew) return;
  replace(agent, 'generate', (generate, args) => callAgent(agent, () => generate(args)));
  replace(agent, 'stream', (stream, args) => streamAgent(agent, stream, args));
  replace(agent, 'resolveModelConfig', (resolve, args) => {
    const call = calls.getStore();
    const work = (): PromiseLike<unknown> => resolve(args) as PromiseLike<unknown>;
    return call === undefined || call.agent !== agent ? work() : chooseModel(call, work);
  });
  replace(agent, 'convertTools', async (convert, args) => followTools((await convert(args)) as Tools));
  replace(agent, 'listAgents', (list, args) => {
    const agents = list(args);
    return agents instanceof Promise ? agents.then(followAll) : followAll(agents);
  });
}

/** Outside a rollout the method does what it did. */
function replace(
  agent: FollowedAgent,
  name: Exclude<keyof FollowedAgent, 'id'>,
  work: (original: (args: never[]) => unknown, args: never[]) => unknown,
): void {
  const original = agent[name];
  const call = (args: never[]): unknown => original.apply(agent, args);
  const replaced: Method = (...args) => (currentRollout() === undefined ? call(args) : work(call, args));
  Object.defineProperty(agent, name, { value: replaced, configurable: true, writable: true, enumerable: false });
}

function followAll(agents: unknown): unknown {
  for (const agent of Object.values((agents ?? {}) as Record<string, unknown>)) {
    if (isFollowable(agent)) follow(agent, undefined);
  }
  return agents;
}

export function isFollowable(agent: unknown): agent is FollowedAgent {
  const members = (agent ?? {}) as Partial<FollowedAgent>;
  return (
    typeof members.id === 'string' &&
    [members.generate, members.stream, members.resolveModelConfig, members.convertTools, members.listAgents].every(
      (member) => typeof member === 'function',
    )
  );
}

function beginAgent(agent: FollowedAgent): AgentCall {
  const scope = currentRollout();
  const around = scope && activeSpan(scope)?.agent;
  const options = followed.get(agent);
  const agentMatch = options === undefined && around === undefined ? noAgent : options?.agentMatch;
  const call: AgentCall = { id: randomUUID(), agent };
  runs.begin({ id: call.id, agentMatch, describe: () => agentRun(agent.id, around) });
  return call;
}

function inside<Result>(call: AgentCall, work: () => Result): Result {
  return calls.run(call, () => runs.inside(call.id, work));
}

async function callAgent(agent: FollowedAgent, work: () => unknown): Promise<unknown> {
  const call = beginAgent(agent);
  try {
    const result = await inside(call, work);
    endFailedCall(call);
    runs.end(call.id);
    return result;
  } catch (error) {
    endFailedCall(call);
    runs.fail(call.id, error);
    throw error;
  }
}

type Listener = (event: { readonly error?: unknown }) => unknown;

interface StreamCallbacks {
  readonly onFinish?: Listener;
  readonly onError?: Listener;
  readonly onAbort?: Listener;
}

/** A stream's run ends when Mastra says that it does. */
async function streamAgent(
  agent: FollowedAgent,
  stream: (args: never[]) => unknown,
  [messages, given, ...rest]: unknown[],
): Promise<unknown> {
  const call = beginAgent(agent);
  const callbacks = (given ?? {}) as StreamCallbacks;
  const ending = (listener: Listener | undefined, end: (error: unknown) => void): Listener => {
    return async (event) => {
      endFailedCall(call);
      end(event?.error);
      await listener?.(event);
    };
  };
  const options = {
    ...callbacks,
    onFinish: ending(callbacks.onFinish, () => runs.end(call.id)),
    onError: ending(callbacks.onError, (error) => runs.fail(call.id, error)),
    onAbort: ending(callbacks.onAbort, () =>
      runs.end(call.id, { status: { code: 'error', message: 'the stream was aborted' } }),
    ),
  };
  try {
    return await inside(call, () => stream([messages, options, ...rest] as never[]));
  } catch (error) {
    endFailedCall(call);
    runs.fail(call.id, error);
    throw error;
  }
}

type Execute = (args: unknown, options?: { readonly toolCallId?: string }) => unknown;
type Tools = Record<string, { execute?: Execute }>;

/** The tools of one run, whose executions are runs. */
function followTools(tools: Tools): Tools {
  return Object.fromEntries(
    Object.entries(tools).map(([name, tool]) => {
      const { execute } = tool;
      if (execute === undefined) return [name, tool];
      const traced: Execute = (args, options) =>
        callTool(name, args, options?.toolCallId, () => execute(args, options));
      return [name, { ...tool, execute: traced }];
    }),
  );
}

async function callTool(
  name: string,
  args: unknown,
  callId: string | undefined,
  work: () => unknown,
): Promise<unknown> {
  const id = randomUUID();
  runs.begin({ id, describe: () => toolRun(name, args, callId) });
  try {
    const result = await runs.inside(id, work);
    // Mastra gives a tool's error to the model as its result.
    runs.end(id, result instanceof Error ? errorOutcome(result) : toolOutcome(result));
    return result;
  } catch (error) {
    runs.fail(id, error);
    throw error;
  }
}
