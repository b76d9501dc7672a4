import type { Episode, LightningBatch, Rollout } from '@agent-lightning/core';
import { explainNoCalls } from '@agent-lightning/run';
import { countStaleCalls } from './trainable-calls.ts';

/** The reason why a step had no training signal. All but `outage`, `zero-variance` and `stale` are faults that further steps do not correct. */
export interface NoSignal {
  readonly cause: 'outage' | 'all-failed' | 'no-calls' | 'no-tokens' | 'no-reward' | 'zero-variance' | 'stale';
  /** Says what happened and what to do. */
  readonly message: string;
}

/** The parts of a batch that tell whether it teaches something. */
interface TaughtBatch extends Pick<LightningBatch, 'samples'> {
  readonly dropped: Pick<LightningBatch['dropped'], 'zeroVarianceGroups' | 'singletonGroups'>;
}

/** Looks for the reason when a batch has nothing to train on; undefined when it has. */
export function diagnoseSignal(
  rollouts: readonly Rollout[],
  episodes: readonly Episode[],
  batch: TaughtBatch,
): NoSignal | undefined {
  if (batch.samples.length > 0) return undefined;
  return (
    outage(episodes, batch) ??
    allFailed(rollouts) ??
    noTrainableCalls(episodes) ??
    noReward(episodes) ??
    zeroVariance(episodes, batch)
  );
}

/**
 * Finds out whether all rollouts that failed or have no usable call were lost to the world: that says nothing about agent or rewards. Where
 * others of a group could be compared, they are equal, and that is why the step teaches nothing.
 */
function outage(episodes: readonly Episode[], { dropped }: TaughtBatch): NoSignal | undefined {
  if (dropped.zeroVarianceGroups.length > 0) return undefined;
  const lost = episodes.filter(
    ({ rollout, transitions, untrainable }) =>
      rollout.status !== 'succeeded' || (transitions.length === 0 && untrainable.length > 0),
  );
  if (lost.length === 0 || !lost.every((episode) => outageOf(episode) !== undefined || episode.failureKind === 'world'))
    return undefined;
  const away = lost.find((episode) => outageOf(episode) !== undefined);
  const { rollout } = away ?? lost[0]!;
  const why =
    away === undefined
      ? `of failures that are not the policy's: ${rollout.failure?.code ?? rollout.status}: "${rollout.failure?.message ?? 'no message'}" (rollout ${rollout.rolloutId}); mend what causes them`
      : `the model did not answer: "${outageOf(away)!.reason}" (rollout ${rollout.rolloutId}); look at the server that samples`;
  return {
    cause: 'outage',
    message: `${lost.length} of ${episodes.length} rollouts came to nothing because ${why}`,
  };
}

function outageOf({ untrainable }: Episode): Episode['untrainable'][number] | undefined {
  return untrainable.find(({ isOutage }) => isOutage);
}

function allFailed(rollouts: readonly Rollout[]): NoSignal | undefined {
  if (rollouts.some((rollout) => rollout.status === 'succeeded')) return undefined;
  const [code, count] = mostCommon(rollouts.map((rollout) => rollout.failure?.code ?? rollout.status));
  const example = rollouts.find((rollout) => (rollout.failure?.code ?? rollout.status) === code)!;
  return {
    cause: 'all-failed',
    message: `all ${rollouts.length} rollouts failed, ${count} of them with ${code}: "${example.failure?.message ?? 'no message'}" (rollout ${example.rolloutId}); run the rollout function on one task by hand, and mend it`,
  };
}

function noTrainableCalls(episodes: readonly Episode[]): NoSignal | undefined {
  if (episodes.some((episode) => episode.transitions.length > 0)) return undefined;
  const calls = episodes.flatMap((episode) => episode.untrainable);
  const reasons = calls.map((call) => call.reason);
  if (calls.every(({ outside }) => outside !== undefined)) {
    return {
      cause: 'no-calls',
      message: `the agents of ${episodes.length} rollouts made no model call that trains; ${explainNoCalls(episodes)}`,
    };
  }
  const [reason, count] = mostCommon(reasons);
  if (reasons.length === countStaleCalls(episodes)) {
    return {
      cause: 'stale',
      message: `all ${reasons.length} model calls are ${reason}; an earlier process sampled them further ahead than this one may`,
    };
  }
  return {
    cause: 'no-tokens',
    message: `${reasons.length} model calls arrived and none can be trained on, ${count} of them because: ${reason}; training needs token ids and log-probabilities from the engine that sampled`,
  };
}

function noReward(episodes: readonly Episode[]): NoSignal | undefined {
  if (
    episodes.some(
      ({ reward, untrainedReward, transitions }) =>
        reward !== undefined || untrainedReward !== undefined || transitions.some((call) => call.reward !== undefined),
    )
  )
    return undefined;
  return {
    cause: 'no-reward',
    message: `none of ${episodes.length} rollouts has a reward; return a number from the rollout function, or call emitReward in it`,
  };
}

function zeroVariance(episodes: readonly Episode[], batch: TaughtBatch): NoSignal {
  const { zeroVarianceGroups, singletonGroups } = batch.dropped;
  const rewards = [...new Set(episodes.flatMap((episode) => episode.reward ?? []))].sort((a, b) => a - b);
  const values =
    rewards.length === 1
      ? `every reward is ${rewards[0]}`
      : `rewards are ${rewards.slice(0, 5).join(', ')}${rewards.length > 5 ? ', …' : ''}, and equal within each group`;
  return {
    cause: 'zero-variance',
    message: `no group of rollouts tells better from worse (${zeroVarianceGroups.length} groups without variance, ${singletonGroups.length} of one rollout; ${values}); give tasks that the agent solves sometimes, a finer reward, or a larger groupSize`,
  };
}

function mostCommon(values: readonly string[]): readonly [string, number] {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((most, entry) => (entry[1] > most[1] ? entry : most));
}
