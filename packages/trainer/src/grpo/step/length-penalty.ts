import type { Episode } from '@agent-lightning/core';

/** The penalty for long responses, with every default filled in. */
export interface LengthPenalty {
  /** L_max: from this many response tokens on, the penalty is whole. */
  readonly limit: number;
  /** L_cache: the number of tokens below the limit in which the penalty grows. */
  readonly buffer: number;
  /** The size of the whole penalty, in units of the reward. */
  readonly weight: number;
}

/**
 * Returns the penalty for a response of `tokens` tokens, from −weight to 0: 0 up to limit − buffer, then a straight line down to −weight
 * at the limit. @source DAPO, arXiv:2503.14476 §3.4, eq. 13
 */
export function lengthPenaltyOf(tokens: number, { limit, buffer, weight }: LengthPenalty): number {
  const over = Math.max(0, tokens - (limit - buffer));
  return over === 0 ? 0 : -weight * Math.min(1, over / buffer);
}

/**
 * Returns the episodes of a step with the penalty of each call added to the call's own reward. A rollout that failed earns no more than the
 * worst success of the step does with its penalties: otherwise failing would be the way round them. In a control run the
 * reward of a failure belongs to another rollout, and the cap with it: a cap on those that failed would teach not to fail.
 */
export function penalizeLengths(episodes: readonly Episode[], penalty: LengthPenalty): readonly Episode[] {
  const penalized = episodes.map((episode) => penalizeLength(episode, penalty));
  const worst = penalized.reduce(
    (lowest, episode) =>
      episode.isFailureReward !== true && episode.reward !== undefined ? Math.min(lowest, returnOf(episode)) : lowest,
    Infinity,
  );
  return penalized.map((episode) =>
    episode.isFailureReward !== true || episode.reward === undefined
      ? episode
      : { ...episode, reward: Math.min(episode.reward, worst) },
  );
}

function returnOf({ reward = 0, untrainedReward = 0, transitions }: Episode): number {
  return transitions.reduce((sum, call) => sum + (call.reward ?? 0), reward + untrainedReward);
}

/** Returns the episode with its penalties; one without a reward is not learned from and stays. */
function penalizeLength(episode: Episode, penalty: LengthPenalty): Episode {
  if (episode.reward === undefined && episode.transitions.every(({ reward }) => reward === undefined)) return episode;
  return {
    ...episode,
    transitions: episode.transitions.map((call) => {
      const own = lengthPenaltyOf(call.responseIds.length, penalty);
      return own === 0 ? call : { ...call, reward: (call.reward ?? 0) + own };
    }),
  };
}
