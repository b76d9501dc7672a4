import type { Episode, LightningBatch, Rollout } from '@agent-lightning/core';
import { readState } from '@agent-lightning/platform';
import type { PolicyVersions } from './policies/policy-set.ts';
import type { StepSizing } from './step/step-size.ts';
import type { NoSignal } from './step/training-signal.ts';

/** The figures of a run by which it is decided whether it goes on where steps teach nothing. */
export interface SignalStreaks {
  /** The last step that was learned from; 0 before the first. */
  readonly step: number;
  readonly optimizerSteps: number;
  /** Steps in a row without training signal, up to this one; steps without signal because of an outage are left out. */
  readonly noSignalStreak: number;
  /** Steps in a row in which no rollout succeeded because of an outage, up to this one. */
  readonly outageStreak: number;
  /** Mean reward of the first step, to tell tasks that were learned from tasks that never gave a signal. */
  readonly firstReward: number | undefined;
  /** Mean reward of the newest step. */
  readonly lastReward: number | undefined;
}

/** The state that a run of `grpo` or `distill` keeps beside the weights. Draws need no state: they follow from the seed and the step. What the plans need is in a file of its own. */
export interface GrpoState extends SignalStreaks {
  readonly format: 2;
  readonly policyVersions: PolicyVersions;
  /** The sizes of the updates so far, by policy; of those whose learning rate is 'auto'. */
  readonly sizing: Readonly<Record<string, StepSizing>>;
  /** Steps in a row in which sampler and trainer were too far apart, up to this one. */
  readonly offPolicyStreak: number;
  /** The lowest and the highest reward of the run, of which advantages take their scale; absent before the first. */
  readonly rewardRange?: LightningBatch['rewardRange'];
  /** What is known of each agent whose calls are weighed; with `weighNodes` only. */
  readonly nodeStatistics?: LightningBatch['nodeStatistics'];
}

/** Returns the state of a run that has learned nothing. */
export function initialGrpoState(
  policies: readonly string[],
  sizing: Readonly<Record<string, StepSizing>> = {},
): GrpoState {
  return {
    format: 2,
    step: 0,
    policyVersions: Object.fromEntries(policies.map((name) => [name, 0])),
    optimizerSteps: 0,
    sizing,
    noSignalStreak: 0,
    outageStreak: 0,
    offPolicyStreak: 0,
    firstReward: undefined,
    lastReward: undefined,
  };
}

/** The figures of a step that its streaks follow from. */
export interface SignalCounts {
  readonly step: number;
  readonly optimizerSteps: number;
  readonly episodes: readonly FinishedEpisode[];
  readonly noSignal: NoSignal | undefined;
}

/** The parts of an episode by which streaks go on or end. */
interface FinishedEpisode extends Pick<Episode, 'reward' | 'transitions'> {
  readonly rollout: Pick<Rollout, 'status'>;
}

/** The figures of a step that decide when the run ends. */
export interface StepCounts extends SignalCounts {
  /** The versions after the step. */
  readonly policyVersions: PolicyVersions;
  /** What each policy's update said about its size; nothing where there was no update, or the learning rate is fixed. */
  readonly trained: readonly { readonly name: string; readonly sized?: { readonly sizing: StepSizing } }[];
  /** The rewards that the run has seen, this step's included. */
  readonly rewardRange?: LightningBatch['rewardRange'];
  readonly nodeStatistics?: LightningBatch['nodeStatistics'];
  /** True when sampler and trainer were too far apart. */
  readonly isOffPolicy: boolean;
}

/** Returns the state after a step. */
export function advanceGrpoState(state: GrpoState, counts: StepCounts): GrpoState {
  return {
    ...state,
    ...advanceStreaks(state, counts),
    policyVersions: counts.policyVersions,
    sizing: {
      ...state.sizing,
      ...Object.fromEntries(
        counts.trained.flatMap(({ name, sized }) => (sized === undefined ? [] : [[name, sized.sizing]])),
      ),
    },
    offPolicyStreak: counts.isOffPolicy ? state.offPolicyStreak + 1 : 0,
    rewardRange: counts.rewardRange,
    nodeStatistics: counts.nodeStatistics,
  };
}

/** Returns the streaks after a step. */
export function advanceStreaks(
  streaks: SignalStreaks,
  { step, optimizerSteps, episodes, noSignal }: SignalCounts,
): SignalStreaks {
  const rewards = episodes.flatMap(({ reward }) => reward ?? []);
  const mean = rewards.length === 0 ? undefined : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const isOutage = noSignal?.cause === 'outage';
  return {
    step,
    optimizerSteps: streaks.optimizerSteps + optimizerSteps,
    noSignalStreak: isOutage ? streaks.noSignalStreak : isSilent(noSignal) ? streaks.noSignalStreak + 1 : 0,
    outageStreak: isOutage && !episodes.some(cameThrough) ? streaks.outageStreak + 1 : 0,
    firstReward: streaks.firstReward ?? mean,
    lastReward: mean,
  };
}

/** Tells whether a step without signal counts towards the end of the run: not when it only left out what was too old. */
function isSilent(noSignal: NoSignal | undefined): boolean {
  return noSignal !== undefined && noSignal.cause !== 'stale';
}

/** Tells whether a rollout succeeded with a call that can be trained on. */
function cameThrough({ rollout, transitions }: FinishedEpisode): boolean {
  return rollout.status === 'succeeded' && transitions.length > 0;
}

/**
 * Reads the state of a run that goes on. Policies that it does not size keep the sizing of `fresh`, and its streak of outages is over: a user who
 * resumes a run has repaired its model.
 * @throws {TrainerError} `resume-mismatch` for a file of another format
 */
export async function readGrpoState(path: string, fresh: GrpoState): Promise<GrpoState> {
  const state = await readState<GrpoState>(path, fresh.format);
  return { ...state, sizing: { ...fresh.sizing, ...state.sizing }, outageStreak: 0 };
}
