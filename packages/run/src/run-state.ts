import type { PolicyVersions } from '@agent-lightning/trainer';
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
  readonly format: 2;
  /** The last step that is done; 0 before the first. */
  readonly step: number;
  readonly policyVersions: PolicyVersions;
  readonly totals: RunTotals;
  readonly curve: readonly CurvePoint[];
  readonly validationBefore?: ValidationMetrics;
  /** Steps in a row without training signal, up to this one; those that an outage spoiled are left out. */
  readonly noSignalStreak: number;
  /** Steps in a row in which an outage let no rollout through, up to this one; begins again when a run resumes. @default 0 */
  readonly outageStreak?: number;
  /** Steps in a row in which sampler and trainer were too far apart, up to this one. */
  readonly offPolicyStreak: number;
  /** Mean training reward of the first step, to tell a solved task from one that never taught anything. */
  readonly firstReward?: number;
  readonly wallSeconds: number;
}

/** The state of a run that has done nothing. */
export function initialState(policies: readonly string[]): TrainerState {
  return {
    format: 2,
    step: 0,
    policyVersions: Object.fromEntries(policies.map((name) => [name, 0])),
    totals: { rollouts: 0, transitions: 0, tokensSampled: 0, tokensTrained: 0, optimizerSteps: 0 },
    curve: [],
    noSignalStreak: 0,
    offPolicyStreak: 0,
    wallSeconds: 0,
  };
}

/** What a step says besides its line. */
export interface StepVerdict {
  readonly policyVersions: PolicyVersions;
  /** Whether sampler and trainer were too far apart. */
  readonly isOffPolicy: boolean;
  /** Whether a step without signal counts: not when it only left out what was too old. */
  readonly isSilent: boolean;
  /** True when every rollout that came to nothing did so because the model was away: the step says nothing about the agent. */
  readonly isOutage: boolean;
  /** True when an outage let no rollout through. */
  readonly isLost: boolean;
}

/** The state after a step. */
export function advanceState(state: TrainerState, metrics: StepMetrics, verdict: StepVerdict): TrainerState {
  const reward = metrics.reward.mean;
  const firstReward = state.firstReward ?? reward;
  return {
    ...state,
    step: metrics.step,
    policyVersions: verdict.policyVersions,
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
    noSignalStreak: noSignalStreakAfter(state, verdict),
    outageStreak: verdict.isLost ? (state.outageStreak ?? 0) + 1 : 0,
    offPolicyStreak: verdict.isOffPolicy ? state.offPolicyStreak + 1 : 0,
    ...(firstReward === undefined ? {} : { firstReward }),
    wallSeconds: metrics.wallSeconds,
  };
}

function noSignalStreakAfter({ noSignalStreak }: TrainerState, { isSilent, isOutage }: StepVerdict): number {
  if (isOutage) return noSignalStreak;
  return isSilent ? noSignalStreak + 1 : 0;
}
