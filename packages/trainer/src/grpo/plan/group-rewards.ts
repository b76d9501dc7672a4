import type { Episode, PlannedRollout } from '@agent-lightning/core';

/** The rewards of a group's rollouts, as the agent earned them: without intermediate rewards that a formula added. */
export interface GroupRewards {
  /** Everything that was planned for the group, in order. */
  readonly planned: readonly PlannedRollout[];
  /** The reward of each rollout that has one. */
  readonly rewards: readonly number[];
  /** Rollouts that ended without a reward because of something that the policy did not cause. */
  readonly lost: number;
}

/** The least and the greatest reward that a run has seen. */
export interface RewardRange {
  readonly lowest: number;
  readonly highest: number;
}

/** Sorts the rollouts of a step into its groups, in the order in which they were planned. */
export function groupRewards(
  planned: readonly PlannedRollout[],
  episodes: readonly Episode[],
): readonly GroupRewards[] {
  const members = planned.map((each, index) => ({ each, episode: episodes[index]! }));
  return [...Map.groupBy(members, ({ each }) => each.groupKey ?? each.key).values()].map((group) => ({
    planned: group.map(({ each }) => each),
    rewards: group.flatMap(({ episode }) => plainReward(episode) ?? []),
    lost: group.filter(({ episode }) => isLost(episode)).length,
  }));
}

/** Returns the sum of the rewards that a rollout and its calls were given, or undefined when there are none. */
export function plainReward({ reward, untrainedReward, transitions, rollout }: Episode): number | undefined {
  if (reward === undefined && rollout.status !== 'succeeded') return undefined;
  const parts = [reward, untrainedReward, ...transitions.map((call) => call.reward)].filter(
    (part) => part !== undefined,
  );
  return parts.length === 0 ? undefined : parts.reduce((sum, part) => sum + part, 0);
}

/** Tells whether a rollout failed in a way that does not count: it has no reward then. */
function isLost(episode: Episode): boolean {
  return episode.rollout.status !== 'succeeded' && plainReward(episode) === undefined;
}

/** Tells whether all rewards of a group are equal, of at least two: then nothing tells better from worse. */
export function isFlat({ rewards }: Pick<GroupRewards, 'rewards'>): boolean {
  return rewards.length > 1 && rewards.every((reward) => isSame(reward, rewards[0]!));
}

/**
 * Tells whether every rollout of a group earned the lowest reward that the run has seen. Where a run has seen one reward only, that is a
 * failure when it is at most 0.
 */
export function isFailed(group: Pick<GroupRewards, 'rewards'>, { lowest, highest }: RewardRange): boolean {
  if (!isFlat(group) || !isSame(group.rewards[0]!, lowest)) return false;
  return isSame(lowest, highest) ? lowest <= 0 : true;
}

/** Returns the range of rewards with those of these groups; undefined when there is no reward at all. */
export function widenRange(
  range: RewardRange | undefined,
  groups: readonly Pick<GroupRewards, 'rewards'>[],
): RewardRange | undefined {
  let { lowest, highest } = range ?? { lowest: Infinity, highest: -Infinity };
  for (const reward of groups.flatMap(({ rewards }) => rewards)) {
    lowest = Math.min(lowest, reward);
    highest = Math.max(highest, reward);
  }
  return lowest <= highest ? { lowest, highest } : undefined;
}

/** Tells whether two rewards are equal but for the rounding of sums. */
function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}
