import type { Episode } from '@agent-lightning/core';

/** Says whether rewards could tell better prompts from worse ones. */
export function examineRewards(
  episodes: readonly Episode[],
  perfectReward: number,
): { readonly isTelling: boolean; readonly findings: readonly string[] } {
  const rewards = episodes.flatMap(({ reward }) => reward ?? []);
  const isPerfect = rewards.length > 0 && rewards.every((reward) => reward >= perfectReward);
  const silent = episodes.length - rewards.length;
  return {
    isTelling: rewards.length > 0 && !isPerfect,
    findings: [
      ...(silent > 0 ? [`${silent} of ${episodes.length} rollouts have no reward`] : []),
      ...(isPerfect ? [`every rollout has the perfect reward, ${perfectReward}: there is nothing to improve`] : []),
    ],
  };
}
