import { ConfigurationError } from '../errors.ts';
import { describeValue } from './attribute-values.ts';

/** The options that every adapter's `withLightning` takes. */
export interface AgentOptions {
  /**
   * Selects the agents whose model calls go to the policy that is trained; tested against each of an agent's names. Of wrapped
   * agents inside each other the innermost that has one decides.
   * @default that of the wrapped agent around this one, or every agent
   */
  readonly agentMatch?: RegExp;
}

/** The options, checked. @throws {ConfigurationError} `option-invalid` when `agentMatch` is not a regular expression */
export function agentOptions(options: AgentOptions = {}): AgentOptions {
  const { agentMatch } = options;
  if (agentMatch !== undefined && !(agentMatch instanceof RegExp)) {
    throw new ConfigurationError(
      `agentMatch must be a regular expression such as /write|rewrite/; got ${typeof agentMatch} ${describeValue(agentMatch)}`,
      { code: 'option-invalid' },
    );
  }
  return Object.freeze({ ...(agentMatch !== undefined && { agentMatch }) });
}
