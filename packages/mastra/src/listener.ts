import { randomUUID } from 'node:crypto';
import {
  activeSpan,
  currentRollout,
  processWide,
  refuseUntraceable,
  requireRollout,
  runInRollout,
  type ActiveAgent,
  type AgentOptions,
} from '@agent-lightning/tracing';
import { AdapterError } from '@agent-lightning/core';
import {
  callAgent,
  chooseModel,
  currentCall,
  followTools,
  runs,
  runStep,
  streamAgent,
  type AgentCall,
  type Original,
  type Tools,
} from './caller.ts';
import { agentRun, attemptRun, stepOutcome, toolRun, toolStepOutcome, type Run, type StepResult } from './spans.ts';

type Method = (...args: never[]) => unknown;
type Methods<Name extends string> = Record<Name, Method>;

/** The members of Mastra's agent that are followed. */
export interface FollowedAgent extends Methods<(typeof agentMethods)[number]> {
  readonly id: string;
  /** The agent that a durable agent runs. */
  readonly agent?: unknown;
}

const agentMethods = [
  'generate',
  'resumeGenerate',
  'stream',
  'resumeStream',
  'resolveModelConfig',
  'convertTools',
  'listAgents',
  'listWorkflows',
] as const;

/** The members of Mastra's workflow that are followed. */
export interface FollowedWorkflow extends Methods<'createRun'> {
  readonly id: string;
  readonly engineType: string;
  readonly executionEngine: Methods<(typeof engineMethods)[number]>;
}

const engineMethods = ['execute', 'executeStep'] as const;

/** A kind of call that cannot be followed inside a rollout. */
interface Unfollowed {
  /** The word under which live traffic counts it. */
  readonly reason: string;
  /** Says what to do in its place. */
  readonly instead: string;
}

const network: Unfollowed = {
  reason: 'mastra-network',
  instead: 'give the agents to one agent as its `agents`, and call its stream',
};

/** The methods of an agent that cannot be followed. */
const unfollowed: Readonly<Record<string, Unfollowed>> = {
  generateLegacy: { reason: 'mastra-legacy', instead: 'call generate' },
  streamLegacy: { reason: 'mastra-legacy', instead: 'call stream' },
  network,
  resumeNetwork: network,
};

const durable: Unfollowed = { reason: 'mastra-durable-agent', instead: 'call the agent without durability' };

const otherEngine: Unfollowed = {
  reason: 'mastra-workflow-engine',
  instead: 'create it with createWorkflow of @mastra/core/workflows',
};

// Agents and workflows, wrapped themselves or found in wrapped ones.
const followed = processWide('agentlightning.mastra.followed.v2', () => new WeakSet<object>());

export function isFollowableAgent(value: unknown): value is FollowedAgent {
  return hasMethods(value, agentMethods) && typeof (value as Partial<FollowedAgent>).id === 'string';
}

export function isFollowableWorkflow(value: unknown): value is FollowedWorkflow {
  const { id, engineType, executionEngine } = (value ?? {}) as Partial<FollowedWorkflow>;
  if (typeof id !== 'string' || typeof engineType !== 'string' || !hasMethods(value, ['createRun'])) return false;
  return engineType !== 'default' || hasMethods(executionEngine, engineMethods);
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Record<string, unknown> | undefined)?.[name] === 'function');
}

/** Follows agents and workflows, each once. What is neither is left alone. */
function followAll(members: unknown): unknown {
  for (const member of Object.values((members ?? {}) as Record<string, unknown>)) follow(member);
  return members;
}

/** Follows an agent or a workflow, once, and puts a wrapper around it where options are given. */
export function follow(member: unknown, options?: AgentOptions): void {
  if (isFollowableAgent(member)) followOnce(member, followAgent);
  else if (isFollowableWorkflow(member)) followOnce(member, followWorkflow);
  else return;
  if (options !== undefined) runs.wrap(member, options);
}

function followOnce<Member extends object>(member: Member, begin: (member: Member) => void): void {
  if (followed.has(member)) return;
  if (!Object.isExtensible(member)) return refuseFrozen((member as { readonly id?: unknown }).id);
  followed.add(member);
  begin(member);
}

/** Refuses what cannot be followed because it is frozen; in live traffic it is counted, and does what it does without a wrapper. */
function refuseFrozen(id: unknown): void {
  const message = `"${String(id)}" is frozen, so it cannot be followed; freeze it after withLightning`;
  const error = new AdapterError(message, { code: 'adapter-unsupported' });
  const scope = currentRollout();
  if (scope === undefined) throw error;
  refuseUntraceable(scope, 'mastra-frozen', error);
}

function followAgent(agent: FollowedAgent): void {
  for (const name of ['generate', 'resumeGenerate'] as const)
    replaceCall(agent, name, (generate, args) => callAgent(beginAgent(agent), () => generate(args)));
  for (const name of ['stream', 'resumeStream'] as const)
    replaceCall(agent, name, (stream, args) => streamAgent(beginAgent(agent), () => stream(args)));
  for (const [name, method] of Object.entries(unfollowed)) {
    if (hasMethods(agent, [name]))
      replace(agent as unknown as Methods<string>, name, (original, args) =>
        runUnfollowed(method, `${name} of the agent "${agent.id}"`, () => original(args)),
      );
  }
  replace(agent, 'resolveModelConfig', (resolve, [given, ...rest]) => {
    const call = currentCall();
    const work = (model: unknown): PromiseLike<unknown> => resolve([model, ...rest] as never[]) as PromiseLike<unknown>;
    return call === undefined || call.agent !== agent ? work(given) : chooseModel(call, given, work);
  });
  followForks(agent);
  replace(agent, 'convertTools', async (convert, args) => followTools((await convert(args)) as Tools));
  for (const name of ['listAgents', 'listWorkflows'] as const) {
    replace(agent, name, (list, args) => {
      const members = list(args);
      return members instanceof Promise ? members.then(followAll) : followAll(members);
    });
  }
}

/** Follows a call of an agent; a durable agent runs elsewhere than its caller. */
function replaceCall(
  agent: FollowedAgent,
  name: (typeof agentMethods)[number],
  follow: (original: Original, args: never[]) => unknown,
): void {
  replace(agent, name, (original, args) =>
    agent.agent === undefined
      ? follow(original, args)
      : runUnfollowed(durable, `the durable agent "${agent.id}"`, () => original(args)),
  );
}

/** Follows the forks of a wrapped agent, which Mastra makes of its settings, by the wrappers that it has. */
function followForks(agent: FollowedAgent): void {
  if (!hasMethods(agent, ['__fork'])) return;
  always(agent as unknown as Methods<'__fork'>, '__fork', (original, args) => {
    const fork = original(args);
    for (const options of [undefined, ...runs.wrappersOf(agent)]) follow(fork, options);
    return fork;
  });
}

/** Follows the agents and workflows that a Mastra instance is given later, as those that it has. */
export function followAdditions(mastra: object, members: () => readonly unknown[], options: AgentOptions): void {
  for (const name of ['addAgent', 'addWorkflow']) {
    if (!hasMethods(mastra, [name]) || !Object.isExtensible(mastra)) continue;
    always(mastra as Methods<string>, name, (original, args) => {
      const before = new Set(members());
      const added = original(args);
      for (const member of members()) if (!before.has(member)) follow(member, options);
      return added;
    });
  }
}

/** Tells whether a member is followed: in a rollout, and elsewhere where its wrappers serve prompts. */
function isFollowed(member: object): boolean {
  return currentRollout() !== undefined || runs.serves(runs.wrappersOf(member));
}

/**
 * Replaces a method of an object. Outside a rollout, and where no prompts are served, the method does what it did before.
 * @param owner the agent or workflow that was wrapped @default the object
 */
function replace<Name extends string>(
  target: Methods<Name>,
  name: Name,
  work: (original: Original, args: never[]) => unknown,
  owner: object = target,
): void {
  always(target, name, (call, args) => (isFollowed(owner) ? work(call, args) : call(args)));
}

/** Replaces a method of an object, inside rollouts and outside. */
function always<Name extends string>(
  target: Methods<Name>,
  name: Name,
  work: (original: Original, args: never[]) => unknown,
): void {
  const own = Object.getOwnPropertyDescriptor(target, name);
  const layer = own === undefined ? layerOf(target) : target;
  const before = Object.getOwnPropertyDescriptor(layer, name)?.value as Method | undefined;
  const original = (): Method =>
    before ?? (Reflect.get(Object.getPrototypeOf(layer) as object, name, target) as Method);
  const call: Original = (args) => original().apply(target, args);
  const value: Method = (...args) => work(call, args);
  Object.defineProperty(layer, name, { configurable: true, writable: true, enumerable: false, ...own, value });
}

const layers = new WeakMap<object, object>();

/**
 * Returns an object between an agent or a workflow and its class, which holds the methods that are replaced: so nothing of the object
 * itself is changed, and the class's methods are found at each call, also where the app replaces them later.
 */
function layerOf(target: object): object {
  const known = layers.get(target);
  if (known !== undefined) return known;
  const layer = Object.create(Object.getPrototypeOf(target) as object) as object;
  Object.setPrototypeOf(target, layer);
  layers.set(target, layer);
  return layer;
}

/**
 * Refuses a call that cannot be followed. Of live traffic it is counted and made all the same; the agents that it runs keep their own
 * models then, also where the rest of the rollout goes through a gateway.
 * @throws {AdapterError} `adapter-unsupported` in training
 */
async function runUnfollowed({ reason, instead }: Unfollowed, what: string, call: () => unknown): Promise<unknown> {
  if (currentRollout() === undefined) return call(); // prompts are not served there, as the README says
  const { llm: _llm, ...scope } = requireRollout('withLightning');
  const message = `${what} cannot be followed inside a rollout; ${instead}`;
  refuseUntraceable(scope, reason, new AdapterError(message, { code: 'adapter-unsupported' }));
  return runInRollout(scope, call);
}

/** Begins an agent, a workflow or a step in the run that the code belongs to. */
function begin(member: object | undefined, describe: (around: ActiveAgent | undefined) => Run): string {
  const scope = currentRollout();
  const around = scope && activeSpan(scope)?.agent;
  const id = randomUUID();
  runs.begin({ id, wrappers: member && runs.wrappersOf(member), describe: () => describe(around) });
  return id;
}

function beginAgent(agent: FollowedAgent): AgentCall {
  return { id: begin(agent, (around) => agentRun(agent.id, around)), agent };
}

/** Follows the workflow, each of its steps, and the agents, tools and workflows that are steps. */
function followWorkflow(workflow: FollowedWorkflow): void {
  const { id, engineType, executionEngine: engine } = workflow;
  if (engineType !== 'default') {
    return replace(workflow, 'createRun', (createRun, args) =>
      runUnfollowed(otherEngine, `the workflow "${id}" of the ${engineType} engine`, () => createRun(args)),
    );
  }
  replace(
    engine,
    'execute',
    (execute, args) =>
      runStep(
        begin(workflow, (around) => agentRun(id, around)),
        () => execute(args),
        (result) => stepOutcome(result as StepResult),
      ),
    workflow,
  );
  if (hasMethods(engine, ['executeStepWithRetry']))
    replace(engine as unknown as Methods<'executeStepWithRetry'>, 'executeStepWithRetry', (execute, args) =>
      execute(followAttempts(args) as never[]),
    );
  replace(engine, 'executeStep', (execute, args) => {
    const { step, prevOutput } = args[0] as unknown as StepCall;
    const agent = step.__agentRef;
    for (const member of [step, agent]) follow(member);
    // A workflow that is a step, and an agent, is a run of its own.
    if (isFollowableWorkflow(step) || (agent !== undefined && agent.id === step.id)) return execute(args);
    const isTool = step.component === 'TOOL';
    return runStep(
      begin(undefined, (around) =>
        isTool ? toolRun(step.id, prevOutput, undefined) : agentRun(step.id, around, executionOf(args[0])),
      ),
      () => execute(args),
      (returned) => (isTool ? toolStepOutcome : stepOutcome)((returned as { readonly result: StepResult }).result),
    );
  });
}

interface Step {
  readonly id: string;
  readonly component?: string;
  /** The agent that is the step. */
  readonly __agentRef?: { readonly id: string };
}

/** The parts of Mastra's call of a step that are read. */
interface StepCall {
  readonly runId: string;
  readonly step: Step;
  readonly prevOutput: unknown;
  readonly executionContext: { readonly executionPath: readonly number[]; readonly foreachIndex?: number };
}

/** Names what a call of a step executes: the step's place in this run of its workflow, which is the same when the step goes on. */
function executionOf(call: unknown): string {
  const { runId, step, executionContext } = call as StepCall;
  const { executionPath, foreachIndex } = executionContext;
  return JSON.stringify([runId, executionPath, step.id, foreachIndex ?? null]);
}

/** Returns the arguments of a step that Mastra tries several times, whose attempts are runs. */
function followAttempts([stepId, attempt, params, ...rest]: unknown[]): unknown[] {
  const { retries = 0 } = (params ?? {}) as { readonly retries?: number };
  if (!(retries > 0)) return [stepId, attempt, params, ...rest];
  const execution = randomUUID();
  const traced = (): Promise<unknown> => {
    const id = randomUUID();
    runs.begin({ id, describe: () => attemptRun(execution) });
    return runStep(id, attempt as () => unknown, () => ({}));
  };
  return [stepId, traced, params, ...rest];
}
