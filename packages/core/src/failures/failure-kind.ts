import { optionInvalid } from '../checks/option-invalid.ts';
import { pickFailureCode } from './failure-code.ts';
import { nameOfFailure, policyCodes, turnLimitCodes, worldCodes } from './failure-codes.ts';
import type { Failure } from '../vocabulary/rollout.ts';

/**
 * Says who ended a rollout without success: the policy (a recursion limit, a tool that does not exist), the world (a store, a
 * gateway, a connection), or nobody can tell (an error of the user's own code). The first and the last count, with the failure
 * reward; the world's are tried again where their code says so, and then left out.
 */
export type FailureKind = 'policy' | 'world' | 'unknown';

/** Sorts failures by code, where the user knows more than the code tells. */
export type FailureSorting = Readonly<Record<string, 'policy' | 'world'>>;

/** Measures how long and how fast the policy sampled in one attempt. */
export interface SamplingPace {
  /** The tokens that it sampled, per second in which at least one of its calls was in flight; undefined where the tokens are not known. */
  readonly tokensPerSecond: number | undefined;
  /** The time in which at least one of its calls was in flight. */
  readonly seconds: number;
}

/** The least share of the time that the policy samples in an attempt whose time-out it caused; and the least share of the usual pace. */
const leastShare = 0.5;

interface FailureKinds {
  /** Returns the kind of a failure by its code, and by its message where the code says nothing. */
  readonly of: (failure: Failure, sorting?: FailureSorting) => FailureKind;
  /**
   * Returns the kind of a time-out: the policy's when it sampled for at least half of the time limit at no less than half of the
   * usual pace (tokens a second), the world's when it sampled for as long but slower, else unknown.
   */
  readonly ofTimeout: (
    pace: SamplingPace | undefined,
    limitSeconds: number,
    usualTokensPerSecond: number | undefined,
  ) => FailureKind;
  /** Picks the code that tells most about what was thrown: an error's or one of its causes'; `agent-failed` when none tells anything. */
  readonly codeOf: (thrown: unknown) => string;
  /** Tells whether a failure ended an agent at its limit of turns, steps or tool calls. */
  readonly isTurnLimit: (failure: Failure) => boolean;
  /** Lists the codes of failures that are the world's. */
  readonly worldCodes: (sorting?: FailureSorting) => readonly string[];
  /**
   * Returns the sorting when it sorts nothing that is known to be the policy's otherwise.
   * @throws {ConfigurationError} `option-invalid`
   */
  readonly checkSorting: (name: string, sorting: FailureSorting) => FailureSorting;
}

/** Decides which failures of rollouts are lessons for the policy, and which say nothing about it. */
export const failureKinds: FailureKinds = Object.freeze({
  of: kindOf,
  ofTimeout: kindOfTimeout,
  codeOf: pickFailureCode,
  isTurnLimit: (failure: Failure) => turnLimitCodes.has(nameOfFailure(failure)),
  worldCodes: listWorldCodes,
  checkSorting,
});

function kindOf(failure: Failure, sorting: FailureSorting = {}): FailureKind {
  const name = nameOfFailure(failure);
  if (policyCodes.has(name)) return 'policy';
  return sorting[failure.code] ?? sorting[name] ?? (worldCodes.has(name) ? 'world' : 'unknown');
}

function kindOfTimeout(
  pace: SamplingPace | undefined,
  limitSeconds: number,
  usualTokensPerSecond: number | undefined,
): FailureKind {
  if (pace?.tokensPerSecond === undefined || pace.seconds < leastShare * limitSeconds) return 'unknown';
  if (usualTokensPerSecond === undefined) return 'unknown';
  return pace.tokensPerSecond >= leastShare * usualTokensPerSecond ? 'policy' : 'world';
}

function listWorldCodes(sorting: FailureSorting = {}): readonly string[] {
  const known = [...worldCodes].filter((code) => sorting[code] !== 'policy');
  const own = Object.keys(sorting).filter((code) => sorting[code] === 'world' && !worldCodes.has(code));
  return [...known, ...own];
}

function checkSorting(name: string, sorting: FailureSorting): FailureSorting {
  if (typeof sorting !== 'object' || sorting === null || Array.isArray(sorting))
    throw optionInvalid(name, JSON.stringify(sorting), "an object such as { PaymentError: 'world' }");
  for (const [code, kind] of Object.entries(sorting)) {
    if (kind !== 'policy' && kind !== 'world')
      throw optionInvalid(`${name}.${code}`, JSON.stringify(kind), "'policy' or 'world'");
    if (kind === 'world' && policyCodes.has(code))
      throw optionInvalid(
        `${name}.${code}`,
        "'world'",
        `left out: ${code} is a failure that the policy causes, and without it the policy would learn to fail`,
      );
  }
  return Object.freeze({ ...sorting });
}
