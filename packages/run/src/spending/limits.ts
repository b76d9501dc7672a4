import { check } from '@agent-lightning/core';

/**
 * Limits of a whole run, over all of its processes. At a limit no further call begins, what runs is cancelled, and the run is saved:
 * it goes on when it is resumed with a higher one. Calls that were open may pass `tokens` and `usd` by what they cost themselves.
 */
export interface RunLimits {
  /** The most rollouts that the run begins, held-out tasks and the verdict among them; it never begins one more. @default none */
  readonly rollouts?: number;
  /** The most tokens, sent and received, of the agent's, the judge's and the algorithm's calls. @default none */
  readonly tokens?: number;
  /** The most US dollars that these calls cost, by list prices and `prices`. A model without a price ends the run by name. @default none */
  readonly usd?: number;
  /** The longest time that the run works, interruptions left out. @default none */
  readonly minutes?: number;
}

/** The limits with every default filled in; Infinity where there is none. */
export type ResolvedLimits = Required<RunLimits>;

/** Checks limits. @throws {ConfigurationError} `option-invalid` */
export function checkLimits(owner: string, limits: RunLimits): ResolvedLimits {
  const name = `${owner}: limits`;
  check.knownOptions(name, limits, ['rollouts', 'tokens', 'usd', 'minutes']);
  const { rollouts, tokens, usd, minutes } = limits;
  return Object.freeze({
    rollouts: rollouts === undefined ? Infinity : check.wholeNumber(`${name}.rollouts`, rollouts),
    tokens: tokens === undefined ? Infinity : check.wholeNumber(`${name}.tokens`, tokens),
    usd: usd === undefined ? Infinity : check.positive(`${name}.usd`, usd),
    minutes: minutes === undefined ? Infinity : check.positive(`${name}.minutes`, minutes),
  });
}
