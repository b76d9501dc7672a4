import {
  AdapterError,
  agentOptions,
  describeValue,
  installFetchRedirect,
  type AgentOptions,
} from '@agent-lightning/core';
import { follow, isFollowable } from './listener.ts';

/** Mastra's `Agent`. */
export interface AgentLike {
  readonly id: string;
  generate: (...args: never[]) => unknown;
  stream: (...args: never[]) => unknown;
}

/** An instance of `Mastra`. */
export interface MastraLike {
  listAgents(): object;
}

/**
 * Makes an agent, or all agents of a Mastra instance, trainable: the same object, which inside a rollout is traced and has the model
 * calls of the agents that `agentMatch` selects answered by the policy: their own and those of their sub-agents. Outside a
 * rollout it does what it did before.
 * @throws {AdapterError} `adapter-unsupported` for something else, or a Mastra that cannot be followed
 * @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression
 */
export function withLightning<const Wrapped extends AgentLike | MastraLike>(
  wrapped: Wrapped,
  options: AgentOptions = {},
): Wrapped {
  const checked = agentOptions(options);
  const agents = isFollowable(wrapped) ? [wrapped] : agentsOf(wrapped);
  installFetchRedirect();
  for (const agent of agents) {
    if (!isFollowable(agent)) throw unsupported(agent);
    follow(agent, checked);
  }
  return wrapped;
}

function agentsOf(wrapped: unknown): readonly unknown[] {
  const { listAgents, getAgent } = (wrapped ?? {}) as { readonly listAgents?: unknown; readonly getAgent?: unknown };
  if (typeof listAgents !== 'function' || typeof getAgent !== 'function') throw unsupported(wrapped);
  return Object.values((wrapped as MastraLike).listAgents());
}

function unsupported(what: unknown): AdapterError {
  const isObject = typeof what === 'object' && what !== null;
  const shown = isObject ? (what.constructor?.name ?? 'an object') : describeValue(what);
  return new AdapterError(`withLightning takes an Agent or a Mastra instance of @mastra/core ^1.16; got ${shown}`, {
    code: 'adapter-unsupported',
  });
}
