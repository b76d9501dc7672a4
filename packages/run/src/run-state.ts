import type { FailureShares } from './failures/failure-jump.ts';
import type { CurvePoint, StepMetrics, ValidationMetrics } from './metrics.ts';

/** Counts over a whole run. */
export interface RunTotals {
  readonly rollouts: number;
  readonly transitions: number;
}

/** The state of a run that a checkpoint keeps, beside the algorithm's own state. Order and draws need none: they follow from the seed and the step. */
export interface RunState {
  readonly format: 3;
  /** The last step that is done; 0 before the first. */
  readonly step: number;
  readonly totals: RunTotals;
  readonly curve: readonly CurvePoint[];
  readonly validationBefore?: ValidationMetrics;
  readonly wallSeconds: number;
  /** The lowest return of a rollout that succeeded; absent before the first one. */
  readonly lowestReturn?: number;
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
        ...(metrics.validation === undefined ? {} : { validation: metrics.validation.reward }),
      },
    ],
    wallSeconds: metrics.wallSeconds,
  };
}
