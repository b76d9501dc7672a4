import { type Episode, randomOrder } from '@agent-lightning/core';

/**
 * The control experiment: the same rewards, given to other rollouts of the same step. Whatever a run learns from these
 * it did not learn from the reward. Rollouts without a reward keep having none; rewards and signals of single calls are
 * removed, since they would still tell the truth.
 */
export function shuffleRewards(episodes: readonly Episode[], random: () => number): readonly Episode[] {
  const rewarded = episodes.filter((episode) => episode.reward !== undefined);
  const order = randomOrder(rewarded.length, random);
  const donorOf = new Map(rewarded.map((episode, index) => [episode, rewarded[order[index]!]!]));
  return episodes.map((episode) => {
    const donor = donorOf.get(episode);
    const transitions = episode.transitions.map((transition) => ({ ...transition, reward: undefined, signals: [] }));
    const blind = { ...episode, transitions, untrainedReward: undefined };
    return donor === undefined ? blind : { ...blind, reward: donor.reward, rewards: donor.rewards };
  });
}
