import type { AgentMatch } from '@agent-lightning/core';
import { checkAgentMatch } from './check-agent-match.ts';

/** The options that every adapter's `withLightning` takes. */
export interface AgentOptions {
  /**
   * Selects the agents whose model calls go to the policy that is trained; tested against each of an agent's names. A text is one
   * whole name, an array lists several. Of wrapped agents inside each other the innermost that has one decides.
   * @default that of the wrapped agent around this one, or every agent
   */
  readonly agentMatch?: AgentMatch;
}

/**
 * Checks the options of a wrapper.
 * @throws {ConfigurationError} `option-invalid` when `agentMatch` is no regular expression and no name, or a regular expression that was
 * written as a text, such as `'write|rewrite'`
 */
export function agentOptions(options: AgentOptions = {}): AgentOptions {
  const { agentMatch } = options;
  return Object.freeze({ ...(agentMatch !== undefined && { agentMatch: checkAgentMatch(agentMatch) }) });
}
