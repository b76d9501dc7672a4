import type { Algorithm } from '@agent-lightning/core';
import type { StepMetrics, ValidationMetrics } from '../metrics.ts';

/** A fault of a run that its metrics show, see the contract `Algorithm`. */
export type Ailment<Line extends object = object> = Omit<ContractAilment, 'detect'> & {
  detect(history: RunHistory<Line>): Finding | undefined;
};

/** The result of a detector: a sentence with its numbers and what to do, and how bad it is. */
export type Finding = NonNullable<ReturnType<ContractAilment['detect']>>;

/** The metrics of a run, as much as detectors need; its size does not grow with the run. */
export type RunHistory<Line extends object = object> = Omit<ContractHistory, 'first' | 'recent'> & {
  readonly first: readonly Line[];
  readonly recent: readonly Line[];
};

/** The facts of a run that are known before its first step. */
export type RunFacts = ContractHistory['facts'];

type ContractAilment = NonNullable<Algorithm['ailments']>[number];
type ContractHistory = Parameters<ContractAilment['detect']>[0];
type HeldOutPoint = ContractHistory['heldOut'][number];

/** Steps whose lines are kept from the beginning, and from the end. */
const firstSteps = 8;
const recentSteps = 32;
/** Validations that are kept beside the first. */
const recentValidations = 15;

/** Returns the history of a run before its first step. */
export function beginHistory(facts: RunFacts): RunHistory<StepMetrics> {
  return { first: [], recent: [], heldOut: [], rewardRange: undefined, earnedRange: undefined, facts };
}

/** Returns the history with the line of another step; a line of the newest step takes the place of the one that was there. */
export function addLine(history: RunHistory<StepMetrics>, line: StepMetrics): RunHistory<StepMetrics> {
  const first = history.first.filter(({ step }) => step !== line.step);
  const recent = history.recent.filter(({ step }) => step !== line.step);
  const { validation } = line;
  const { lowest, highest, earned } = line.reward;
  const next = {
    ...history,
    first: first.length < firstSteps ? [...first, line] : first,
    recent: [...recent.slice(1 - recentSteps), line],
    rewardRange: widen(
      history.rewardRange,
      lowest === undefined || highest === undefined ? undefined : [lowest, highest],
    ),
    earnedRange: widen(history.earnedRange, earned),
  };
  return validation === undefined ? next : addValidation(next, { step: line.step, ...validation });
}

/** Returns the history with the result of a validation, whose rollouts are those that count. */
export function addValidation<Line extends object>(
  history: RunHistory<Line>,
  { step, reward, rollouts, leftOut }: HeldOutPoint & Pick<ValidationMetrics, 'leftOut'>,
): RunHistory<Line> {
  const earlier = history.heldOut.filter((point) => point.step !== step);
  const kept = [...earlier.slice(0, 1), ...earlier.slice(1).slice(1 - recentValidations)];
  return { ...history, heldOut: [...kept, { step, reward, rollouts: rollouts - leftOut }] };
}

function widen(
  range: ContractHistory['rewardRange'],
  further: ContractHistory['rewardRange'],
): ContractHistory['rewardRange'] {
  if (range === undefined || further === undefined) return range ?? further;
  return [Math.min(range[0], further[0]), Math.max(range[1], further[1])];
}
