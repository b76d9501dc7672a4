import { AdapterError } from '@agent-lightning/core';
import { agentOptions, installFetchRedirect, processWide, type AgentOptions } from '@agent-lightning/tracing';
import type { Agent } from '@openai/agents';
import { followCurrentSpan, followResumedRuns, selectAgents } from './caller.ts';
import { listenInRollouts } from './listener.ts';

// By agent: one that is wrapped again takes the new options.
const wrapped = processWide('agentlightning.openai-agents.wrapped.v1', () => new WeakMap<object, AgentOptions>());

/** What the adapter needs of an agent. */
export interface WrappableAgent {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- an agent of any context and output
  on: Agent<any, any>['on'];
  clone(config: never): unknown;
}

/**
 * Makes an agent trainable: the same agent, which inside a rollout is traced and has the model calls of the agents that `agentMatch`
 * selects answered by the policy: itself, those it hands the conversation to, and those that it uses as tools; also where a run goes on
 * from a `RunState`. Its clones are wrapped too. Outside a rollout it does what it did before.
 * @throws {AdapterError} `adapter-unsupported` for something else than an `Agent`, or one of a copy of the SDK that cannot be reached
 * @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression or a name
 */
export function withLightning<const Wrapped extends WrappableAgent>(
  agent: Wrapped,
  options: AgentOptions = {},
): Wrapped {
  if (typeof agent?.on !== 'function' || typeof agent.clone !== 'function' || typeof agent.name !== 'string') {
    throw new AdapterError(
      'withLightning takes an Agent of @openai/agents, such as new Agent({ name, instructions })',
      {
        code: 'adapter-unsupported',
      },
    );
  }
  const checked = agentOptions(options);
  followResumedRuns(agent, (known) => wrapped.get(known));
  followCurrentSpan();
  listenInRollouts();
  installFetchRedirect();
  follow(agent, checked);
  return agent;
}

/** Follows an agent, and from then on its clones, which begin with its options of that moment. */
function follow(agent: WrappableAgent, options: AgentOptions): void {
  const isNew = !wrapped.has(agent);
  wrapped.set(agent, options);
  if (!isNew) return;
  agent.on('agent_start', () => selectAgents(wrapped.get(agent) ?? options));
  const clone = agent.clone.bind(agent);
  const cloneWrapped = (config: never): unknown => {
    const cloned = clone(config) as WrappableAgent;
    follow(cloned, wrapped.get(agent) ?? options);
    return cloned;
  };
  Object.defineProperty(agent, 'clone', { value: cloneWrapped, configurable: true, writable: true });
}
