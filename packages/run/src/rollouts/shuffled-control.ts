import { type Episode, randomOrder } from '@agent-lightning/core';

/**
 * Permutes the rewards among the rollouts of a step, for the control experiment: whatever a run learns from these it did not learn
 * from the reward. The text that says why a reward is what it is goes with it. Rollouts without a reward still have none; rewards and signals of single calls are removed, since they would
 * still belong to their rollout.
 */
export function shuffleRewards(episodes: readonly Episode[], random: () => number): readonly Episode[] {
  const rewarded = episodes.filter((episode) => episode.reward !== undefined);
  const order = randomOrder(rewarded.length, random);
  const donorOf = new Map(rewarded.map((episode, index) => [episode, rewarded[order[index]!]!]));
  return episodes.map((episode) => {
    const donor = donorOf.get(episode);
    const transitions = episode.transitions.map((transition) => ({ ...transition, reward: undefined, signals: [] }));
    const { isFailureReward: _, feedback: __, ...others } = episode;
    const blind = { ...others, transitions, untrainedReward: undefined };
    if (donor === undefined) return blind;
    const { reward, rewards, isFailureReward, feedback } = donor;
    return {
      ...blind,
      reward,
      rewards,
      ...(isFailureReward === undefined ? {} : { isFailureReward }),
      ...(feedback === undefined ? {} : { feedback }),
    };
  });
}
