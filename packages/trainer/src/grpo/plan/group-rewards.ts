import type { Episode, PlannedRollout } from '@agent-lightning/core';

/** The rewards of a group's rollouts, as the agent earned them: without intermediate rewards that a formula added. */
export interface GroupRewards {
  /** Everything that was planned for the group, in order. */
  readonly planned: readonly PlannedRollout[];
  /** The reward of each rollout that has one. */
  readonly rewards: readonly number[];
  /** Those of them that were earned: without the rewards of failures, which the user may set as low as he likes. */
  readonly earned: readonly number[];
  /** Rollouts that ended without a reward because of something that the policy did not cause. */
  readonly lost: number;
}

/** The least and the greatest reward that a rollout of a run has earned. */
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
    ...readRewards(group.map(({ episode }) => episode)),
    lost: group.filter(({ episode }) => isLost(episode)).length,
  }));
}

/** Returns the rewards of a group's rollouts, and those of them that were earned. */
export function readRewards(group: readonly Episode[]): Pick<GroupRewards, 'rewards' | 'earned'> {
  const read = (episodes: readonly Episode[]): readonly number[] =>
    episodes.flatMap((episode) => plainReward(episode) ?? []);
  return { rewards: read(group), earned: read(group.filter(({ isFailureReward }) => isFailureReward !== true)) };
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
 * Tells whether every rollout of a group, of at least two, failed or earned the lowest reward that a rollout of the run has earned. Where
 * all have earned the same, that is the lowest when it is at most 0.
 */
export function isFailed(
  { rewards, earned }: Pick<GroupRewards, 'rewards' | 'earned'>,
  range: RewardRange | undefined,
): boolean {
  return rewards.length > 1 && earned.every((reward) => isLowest(reward, range));
}

function isLowest(reward: number, range: RewardRange | undefined): boolean {
  if (range === undefined || !isSame(reward, range.lowest)) return false;
  return range.lowest <= 0 || !isSame(range.lowest, range.highest);
}

/** Returns the range of earned rewards with those of these groups; undefined when nothing was earned at all. */
export function widenRange(
  range: RewardRange | undefined,
  groups: readonly Pick<GroupRewards, 'earned'>[],
): RewardRange | undefined {
  let { lowest, highest } = range ?? { lowest: Infinity, highest: -Infinity };
  for (const reward of groups.flatMap(({ earned }) => earned)) {
    lowest = Math.min(lowest, reward);
    highest = Math.max(highest, reward);
  }
  return lowest <= highest ? { lowest, highest } : undefined;
}

/** Tells whether two rewards are equal but for the rounding of sums. */
function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}
