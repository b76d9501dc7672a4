import { AdapterError, agentOptions, installFetchRedirect, type AgentOptions } from '@agent-lightning/core';
import type { Agent } from '@openai/agents';
import { followCurrentSpan, selectAgents } from './caller.ts';
import { listenInRollouts } from './listener.ts';

// By agent, for all copies of this package: an agent that is wrapped again takes the new options.
const key: symbol = Symbol.for('agentlightning.openai-agents.wrapped.v1');
const globals = globalThis as unknown as Record<symbol, WeakMap<object, AgentOptions> | undefined>;
const wrapped: WeakMap<object, AgentOptions> = (globals[key] ??= new WeakMap());

// On import, for an OpenAI client keeps the `fetch` that it finds when it is built; outside a rollout the redirect does nothing.
installFetchRedirect();

/** What the adapter needs of an agent. */
export interface WrappableAgent {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- an agent of any context and output
  on: Agent<any, any>['on'];
}

/**
 * Makes an agent trainable: the same agent, which inside a rollout is traced and has the model calls of the agents that `agentMatch`
 * selects answered by the policy: itself, those it hands the conversation to, and those that it uses as tools. Outside a
 * rollout it does what it did before.
 *
 * Import this package before an OpenAI client is built, or start Node with `--import @agent-lightning/core/register`.
 * @throws {AdapterError} `adapter-unsupported` for something else than an `Agent`
 * @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression
 */
export function withLightning<const Wrapped extends WrappableAgent>(
  agent: Wrapped,
  options: AgentOptions = {},
): Wrapped {
  if (typeof agent?.on !== 'function' || typeof agent.name !== 'string') {
    throw new AdapterError(
      'withLightning takes an Agent of @openai/agents, such as new Agent({ name, instructions })',
      {
        code: 'adapter-unsupported',
      },
    );
  }
  const checked = agentOptions(options);
  const isNew = !wrapped.has(agent);
  wrapped.set(agent, checked);
  listenInRollouts();
  followCurrentSpan();
  installFetchRedirect();
  if (isNew) agent.on('agent_start', () => selectAgents(wrapped.get(agent)?.agentMatch));
  return agent;
}
