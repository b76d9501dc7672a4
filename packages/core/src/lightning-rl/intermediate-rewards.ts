import { ConfigurationError } from '../errors.ts';
import type { Episode, StepSignal } from '../transitions/transition.ts';

/** The reward that each kind of system signal gives to the call that caused it. */
export interface IntermediateRules {
  /** A tool that the call asked for returned. @default 0 */
  readonly toolOk?: number;
  /** A tool that the call asked for failed. @default -0.1 */
  readonly toolError?: number;
  /** Something after the call threw. @default -0.1 */
  readonly exception?: number;
  /** The call's answer could not be parsed. @default -0.1 */
  readonly parseFailure?: number;
  /** The call was cut off by its token limit. @default -0.1 */
  readonly lengthStop?: number;
}

/** Rules, or a function that gives the reward of each signal; return 0 for a signal that means nothing. */
export type Intermediate = IntermediateRules | ((signal: StepSignal) => number);

/**
 * The rewards of the rules that are not given: small against a reward of 1, and nothing for a tool that merely
 * worked, since an agent could call it for the reward alone. The paper names the mechanism and gives no values.
 */
export const defaultIntermediateRules: Readonly<Required<IntermediateRules>> = {
  toolOk: 0,
  toolError: -0.1,
  exception: -0.1,
  parseFailure: -0.1,
  lengthStop: -0.1,
};

const ruleOfSignal = {
  tool_ok: 'toolOk',
  tool_error: 'toolError',
  exception: 'exception',
  parse_failure: 'parseFailure',
  length_stop: 'lengthStop',
} as const satisfies Record<StepSignal['type'], keyof IntermediateRules>;

/**
 * Returns the sum of each call's signals under the rules, shape (K,): automatic intermediate rewarding.
 * @throws {ConfigurationError} `option-invalid` for a rule that is not a number from −1e9 to 1e9
 * @source arXiv:2508.03680, "Automatic Intermediate Rewarding"
 */
export function intermediateRewards(episode: Episode, rules: Intermediate = {}): Float64Array {
  const worth = typeof rules === 'function' ? rules : worthByRules(rules);
  return Float64Array.from(episode.transitions, (call) =>
    call.signals.reduce((sum, signal) => sum + checkedWorth(worth, signal), 0),
  );
}

function worthByRules(rules: IntermediateRules): (signal: StepSignal) => number {
  const resolved = { ...defaultIntermediateRules, ...rules };
  return (signal) => resolved[ruleOfSignal[signal.type]];
}

function checkedWorth(worth: (signal: StepSignal) => number, signal: StepSignal): number {
  const value = worth(signal);
  if (!(Math.abs(value) <= 1e9)) {
    throw new ConfigurationError(
      `the intermediate reward of signal ${signal.type} "${signal.name}" is ${value}; give a number from -1e9 to 1e9`,
      { code: 'option-invalid' },
    );
  }
  return value;
}
