import type { CurvePoint, StepMetrics, ValidationMetrics } from './metrics.ts';

/** How often something happened in a run. */
export interface RunTotals {
  readonly rollouts: number;
  readonly transitions: number;
  readonly tokensSampled: number;
  readonly tokensTrained: number;
  readonly optimizerSteps: number;
}

/** What a checkpoint keeps of the trainer. Order and draws need no state: they are functions of the seed and the step. */
export interface TrainerState {
  readonly format: 1;
  /** The last step that is done; 0 before the first. */
  readonly step: number;
  readonly policyVersion: number;
  readonly totals: RunTotals;
  readonly curve: readonly CurvePoint[];
  readonly validationBefore?: ValidationMetrics;
  /** Steps in a row without training signal, up to this one. */
  readonly noSignalStreak: number;
  /** Mean training reward of the first step, to tell a solved task from one that never taught anything. */
  readonly firstReward?: number;
  readonly wallSeconds: number;
}

/** The state of a run that has done nothing. */
export const initialState: TrainerState = {
  format: 1,
  step: 0,
  policyVersion: 0,
  totals: { rollouts: 0, transitions: 0, tokensSampled: 0, tokensTrained: 0, optimizerSteps: 0 },
  curve: [],
  noSignalStreak: 0,
  wallSeconds: 0,
};

/** The state after a step. */
export function advanceState(state: TrainerState, metrics: StepMetrics): TrainerState {
  const reward = metrics.reward.mean;
  const firstReward = state.firstReward ?? reward;
  return {
    ...state,
    step: metrics.step,
    policyVersion: metrics.policyVersion,
    totals: {
      rollouts: state.totals.rollouts + metrics.rollouts + (metrics.validation?.rollouts ?? 0),
      transitions: state.totals.transitions + metrics.transitions,
      tokensSampled: state.totals.tokensSampled + metrics.tokensSampled,
      tokensTrained: state.totals.tokensTrained + metrics.tokensTrained,
      optimizerSteps: state.totals.optimizerSteps + metrics.optimizerSteps,
    },
    curve: [
      ...state.curve,
      {
        step: metrics.step,
        ...(reward === undefined ? {} : { reward }),
        ...(metrics.validation === undefined ? {} : { validation: metrics.validation.reward }),
      },
    ],
    noSignalStreak: metrics.noSignal === undefined ? 0 : state.noSignalStreak + 1,
    ...(firstReward === undefined ? {} : { firstReward }),
    wallSeconds: metrics.wallSeconds,
  };
}
