import type { FailureShares } from './failures/failure-jump.ts';
import type { CurvePoint, StepMetrics, ValidationMetrics } from './metrics.ts';
import type { EarnedReward } from './rollouts/shuffled-control.ts';
import type { Evaluation } from './verdict/evaluation.ts';

/** Counts over a whole run. */
export interface RunTotals {
  readonly rollouts: number;
  readonly transitions: number;
}

/** A validated step, and its mean reward on the tasks by which the best step is chosen. */
export interface BestStep {
  readonly step: number;
  readonly selection: number;
}

/** The state of a run that a checkpoint keeps, beside the algorithm's own state. Order and draws need none: they follow from the seed and the step. */
export interface RunState {
  readonly format: 3;
  /** The last step that is done; 0 before the first. */
  readonly step: number;
  readonly totals: RunTotals;
  readonly curve: readonly CurvePoint[];
  readonly validationBefore?: ValidationMetrics;
  /** The agent before training, on the tasks of the verdict; undefined where the run ends without one. */
  readonly baseline?: Evaluation;
  /** The best validated step so far, where one is chosen. */
  readonly best?: BestStep;
  readonly wallSeconds: number;
  /** The lowest return of a rollout that succeeded; absent before the first one. */
  readonly lowestReturn?: number;
  /** The rewards that a control run draws all others from; absent without one, and where its algorithm compares no steps. */
  readonly control?: readonly EarnedReward[];
  /** The share of rollouts that failed; absent before the first step. */
  readonly failures?: FailureShares;
}

/** The state of a run that has done nothing. */
export const initialState: RunState = {
  format: 3,
  step: 0,
  totals: { rollouts: 0, transitions: 0 },
  curve: [],
  wallSeconds: 0,
};

/** Returns the state after a step. */
export function advanceState(state: RunState, metrics: StepMetrics): RunState {
  const reward = metrics.reward.mean;
  return {
    ...state,
    step: metrics.step,
    totals: {
      rollouts: state.totals.rollouts + metrics.rollouts + (metrics.validation?.rollouts ?? 0),
      transitions: state.totals.transitions + metrics.transitions,
    },
    curve: [
      ...state.curve,
      {
        step: metrics.step,
        ...(reward === undefined ? {} : { reward }),
        ...(metrics.validation === undefined ? {} : toCurve(metrics.validation)),
      },
    ],
    wallSeconds: metrics.wallSeconds,
    ...chooseBest(state, metrics.step, metrics.validation),
  };
}

/** Returns the part of a curve's point that a validation gives. */
export function toCurve({
  reward,
  interval,
}: ValidationMetrics): Pick<CurvePoint, 'validation' | 'validationInterval'> {
  return { validation: reward, validationInterval: interval };
}

/** Returns the best step after the validation of a step; among equal ones the latest, which has learned the most. */
export function chooseBest(
  { best }: RunState,
  step: number,
  validation: ValidationMetrics | undefined,
): Pick<RunState, 'best'> {
  const selection = validation?.selection;
  const isBest = selection !== undefined && (best === undefined || selection >= best.selection);
  const chosen = isBest ? { step, selection } : best;
  return chosen === undefined ? {} : { best: chosen };
}
