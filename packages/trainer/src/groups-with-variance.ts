import type { Episode } from '@agent-lightning/core';

/** Counts the groups in which rollouts earned different rewards; rollouts without a reward count for nothing. */
export function countGroupsWithVariance(episodes: readonly Episode[]): number {
  const groups = Map.groupBy(episodes, ({ rollout }) => rollout.groupId);
  return [...groups.values()].filter((group) => new Set(group.flatMap(({ reward }) => reward ?? [])).size > 1).length;
}
