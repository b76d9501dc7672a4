import { AdapterError } from '@agent-lightning/core';
import { agentOptions, installFetchRedirect, type AgentOptions } from '@agent-lightning/tracing';
import type { Agent } from '@openai/agents';
import { followAgent, followCurrentSpan, followResumedRuns } from './caller.ts';
import { listenInRollouts, runs } from './listener.ts';

/** Declares what the adapter needs of an agent. */
export interface WrappableAgent {
  readonly name: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- an agent of any context and output
  on: Agent<any, any>['on'];
  clone(config: never): unknown;
}

/**
 * Makes an agent trainable: the same agent, which inside a rollout is traced and has the model calls of the agents that `agentMatch`
 * selects answered by the policy: itself, those it hands the conversation to, and those that it uses as tools; also where a run goes on
 * from a `RunState`. Its clones are wrapped too.
 *
 * The SDK compares agents by identity, so the same object is returned, and nothing of it is changed: that it is wrapped is kept beside
 * it, and asked for only inside rollouts.
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
  followResumedRuns(agent);
  followAgent(agent);
  followCurrentSpan();
  listenInRollouts();
  installFetchRedirect();
  runs.wrap(agent, checked);
  return agent;
}
