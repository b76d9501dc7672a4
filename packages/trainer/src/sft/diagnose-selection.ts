import type { Episode, Rollout } from '@agent-lightning/core';
import { diagnoseSignal, type NoSignal } from '../grpo/step/training-signal.ts';
import type { Selection } from './select-demonstrations.ts';
import { describeLeftOut } from './sft-metrics.ts';

/** Looks for the reason when no rollout of a step is imitated; undefined when one is. */
export function diagnoseSelection(
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
  { kept, leftOut }: Selection,
): NoSignal | undefined {
  if (kept.length > 0) return undefined;
  const usable = episodes.filter(
    ({ rollout, transitions }) => rollout.status === 'succeeded' && transitions.length > 0,
  );
  const found = diagnoseSignal(rollouts, episodes, {
    samples: [],
    dropped: { zeroVarianceGroups: usable.map(({ rollout }) => rollout.rolloutId), singletonGroups: [] },
  });
  if (found?.cause !== 'zero-variance') return found;
  return {
    cause: 'zero-variance',
    message: `none of ${episodes.length} rollouts is fit to be imitated (${describeLeftOut(leftOut)}); give tasks that the agent solves sometimes, more samplesPerTask, or a lower minReward`,
  };
}
