import { AdapterError } from '@agent-lightning/core';
import { agentOptions, describeValue, installFetchRedirect, type AgentOptions } from '@agent-lightning/tracing';
import { follow, followAdditions, isFollowableAgent, isFollowableWorkflow } from './listener.ts';

/** An `Agent` of Mastra. */
export interface AgentLike {
  readonly id: string;
  generate: (...args: never[]) => unknown;
  stream: (...args: never[]) => unknown;
}

/** A `Workflow` of Mastra. */
export interface WorkflowLike {
  readonly id: string;
  createRun: (...args: never[]) => unknown;
}

/** An instance of `Mastra`. */
export interface MastraLike {
  listAgents(): object;
}

/**
 * Makes an agent, a workflow, or all of both of a Mastra instance trainable, also those that it is given later: the same object, which inside a rollout is traced and
 * has the model calls of the agents that `agentMatch` selects answered by the policy: their own, those of their sub-agents, and
 * those of a workflow's steps. Outside a rollout it does what it did before.
 *
 * A Mastra instance finds its agents and workflows by identity, so the same object is returned, and no property of it is changed: its
 * methods are replaced between the object and its class, and do what they did outside rollouts.
 * @throws {AdapterError} `adapter-unsupported` for something else, or a Mastra that cannot be followed
 * @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression or a name
 */
export function withLightning<const Wrapped extends AgentLike | WorkflowLike | MastraLike>(
  wrapped: Wrapped,
  options: AgentOptions = {},
): Wrapped {
  const checked = agentOptions(options);
  const members = isFollowable(wrapped) ? [wrapped] : membersOf(wrapped);
  installFetchRedirect();
  for (const member of members) {
    if (!isFollowable(member)) throw unsupported(member);
    follow(member, checked);
  }
  if (!isFollowable(wrapped)) followAdditions(wrapped, () => membersOf(wrapped), checked);
  return wrapped;
}

function isFollowable(member: unknown): boolean {
  return isFollowableAgent(member) || isFollowableWorkflow(member);
}

function membersOf(wrapped: unknown): readonly unknown[] {
  const mastra = (wrapped ?? {}) as { listAgents?(): object; listWorkflows?(): object };
  if (typeof mastra.listAgents !== 'function' || typeof mastra.listWorkflows !== 'function') throw unsupported(wrapped);
  return [...Object.values(mastra.listAgents()), ...Object.values(mastra.listWorkflows())];
}

function unsupported(what: unknown): AdapterError {
  const isObject = typeof what === 'object' && what !== null;
  const shown = isObject ? (what.constructor?.name ?? 'an object') : describeValue(what);
  return new AdapterError(
    `withLightning takes an Agent, a Workflow or a Mastra instance of @mastra/core ^1.33; got ${shown}`,
    { code: 'adapter-unsupported' },
  );
}
