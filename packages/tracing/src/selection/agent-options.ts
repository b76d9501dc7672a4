import { check, type AgentMatch } from '@agent-lightning/core';
import { checkLoaded, type LoadedPrompts } from '../found-prompts/load-prompts.ts';

/** The options that every adapter's `withLightning` takes. */
export interface AgentOptions {
  /**
   * Selects the agents whose model calls go to the policy that is trained; tested against each of an agent's names. A text is one
   * whole name, an array lists several. Of wrappers inside each other the innermost one that matches an agent selects it; one further
   * out decides about the agents that those inside it do not match.
   * @default what the wrappers further out select; every agent, where none of them has an `agentMatch`
   */
  readonly agentMatch?: AgentMatch;
  /**
   * Promoted prompts, as `await loadPrompts(…)` gives them: outside the rollouts of a training they take the place of the agent's own in the model calls
   * that `agentMatch` selects. Of wrappers inside each other the innermost one that has some serves them. @default none; every text stays as it is
   */
  readonly prompts?: LoadedPrompts;
}

/**
 * Checks the options of a wrapper.
 * @throws {ConfigurationError} `option-invalid` for an option that there is not, and when `agentMatch` is no regular expression and no name, or a regular expression that was
 * written as a text, such as `'write|rewrite'`
 */
export function agentOptions(options: AgentOptions = {}): AgentOptions {
  check.knownOptions('withLightning', options, { agentMatch: true, prompts: true });
  const { agentMatch, prompts } = options;
  return Object.freeze({
    ...(agentMatch !== undefined && { agentMatch: check.agentMatch('agentMatch', agentMatch) }),
    ...(prompts !== undefined && { prompts: checkLoaded('withLightning: prompts', prompts) }),
  });
}
