import { ConfigurationError } from '../errors.ts';
import type { Episode, StepSignal } from '../transitions/transition.ts';
import type { Credit } from './credit-assignment.ts';
import { findInfluence, isSequence } from './influence.ts';

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

/** A function that says what a signal is worth; it returns 0 for one that means nothing. */
type Worth = (signal: StepSignal) => number;

/**
 * The two ways in which what a system sees of a call can help:
 *
 * - `additive`: a signal's worth is a reward of its call. Of one rollout, the sizes of all of them add up to less than half of the smallest gap between
 *   outcomes in its group, and are scaled down where they would be more: so no amount of them outweighs the outcome.
 * - `potential`: the worth of all signals that a call could know of is the potential Φ of the state before it, and 0 at every end. Its return loses Φ, which is
 *   what γΦ(next) − Φ(before) adds up to: a better baseline, of which the optimum does not depend. It needs credit `perStep`, whose γ it has.
 *   @source Ng, Harada and Russell 1999; arXiv:1106.5267 on Φ = 0 at every end
 *
 * A `worth` replaces the rules.
 */
export type Intermediate = IntermediateRules & { readonly kind: 'additive' | 'potential'; readonly worth?: Worth };

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
export function intermediateRewards(
  episode: Episode,
  rules: IntermediateRules & { readonly worth?: Worth } = {},
): Float64Array {
  const worth = rules.worth ?? worthByRules(rules);
  return Float64Array.from(episode.transitions, (call) =>
    call.signals.reduce((sum, signal) => sum + checkedWorth(worth, signal), 0),
  );
}

/** Returns the rewards scaled down, where need be, so that their sizes add up to less than half of a gap. */
export function boundedRewards(rewards: Float64Array, gap: number): Float64Array {
  const size = rewards.reduce((sum, reward) => sum + Math.abs(reward), 0);
  const bound = 0.49 * gap;
  return size <= bound ? rewards : rewards.map((reward) => (reward * bound) / size);
}

/**
 * Returns the smallest gap between the outcomes of a group: of two that differ by at least `smallest`, since smaller differences are noise.
 * @param fallback the gap of a group whose outcomes are all the same
 */
export function smallestGap(outcomes: readonly number[], smallest: number, fallback: number): number {
  const sorted = outcomes.toSorted((a, b) => a - b);
  const gaps = sorted.slice(1).map((outcome, index) => outcome - sorted[index]!);
  return gaps.reduce((least, gap) => (gap >= smallest ? Math.min(least, gap) : least), fallback);
}

/** Returns the potential of the state before each call, shape (K,): the worth of the signals of all calls that can have influenced it. */
export function potentials(episode: Episode, worths: Float64Array): Float64Array {
  const calls = episode.transitions;
  const before = new Float64Array(calls.length);
  if (isSequence(calls)) {
    for (let index = 1; index < calls.length; index += 1) before[index] = before[index - 1]! + worths[index - 1]!;
    return before;
  }
  findInfluence(calls).forEach((influenced, index) => {
    for (const later of influenced) before[later]! += worths[index]!;
  });
  return before;
}

/** Checks automatic intermediate rewarding against the credit that it is for. @throws {ConfigurationError} `option-invalid` */
export function checkIntermediate({ kind }: Intermediate, credit: Credit): void {
  if (kind !== 'additive' && kind !== 'potential')
    throw new ConfigurationError(
      `intermediate has the kind ${JSON.stringify(kind)}; give { kind: 'additive' } or { kind: 'potential' }`,
      { code: 'option-invalid' },
    );
  if (kind === 'potential' && credit !== 'perStep' && !(typeof credit === 'object' && 'perStep' in credit))
    throw new ConfigurationError(
      `intermediate is { kind: 'potential' } and credit is ${JSON.stringify(credit) ?? 'a function'}; a potential is a baseline of each call and needs credit 'perStep' or { perStep }`,
      { code: 'option-invalid' },
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
