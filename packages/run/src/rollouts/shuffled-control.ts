import { type Episode, randomOrder, seededRandom } from '@agent-lightning/core';

/** The reward of a rollout, as a control run gives it to another one. */
export type EarnedReward = Pick<Episode, 'reward' | 'rewards' | 'isFailureReward'>;

export interface ShuffledControlOptions {
  readonly seed: number;
  /** True for an algorithm that compares rollouts of different steps with each other. */
  readonly comparesSteps: boolean;
}

/** Gives the rollouts of a control run other rewards than theirs, so that nothing can be learned from these. */
export class ShuffledControl {
  readonly #options: ShuffledControlOptions;
  /**
   * The rewards that all later ones are drawn from, where steps are compared: those of the first step that had some. Undefined before it. A run
   * saves it, and sets it when it is resumed.
   */
  source: readonly EarnedReward[] | undefined;

  constructor(options: ShuffledControlOptions) {
    this.#options = options;
  }

  /** Returns the episodes of a step with other rewards, in the same order. The result follows from the seed and what is given. */
  give(step: number, episodes: readonly Episode[], phase: 'extend' | 'learn'): readonly Episode[] {
    const { seed, comparesSteps } = this.#options;
    if (!comparesSteps)
      return shuffleRewards(episodes, seededRandom(seed, `shuffle/${step}${phase === 'extend' ? '/extend' : ''}`));
    const source = this.source ?? collectRewards(episodes);
    if (phase === 'learn' && source.length > 0) this.source = source;
    return drawRewards(episodes, source, seededRandom(seed, `shuffle/${step}`));
  }
}

/**
 * Permutes the rewards among the rollouts of a step: whatever a run learns from these it did not learn
 * from the reward. The text that says why a reward is what it is goes with it. Rollouts without a reward still have none; rewards and signals of single calls are removed, since they would
 * still belong to their rollout.
 */
function shuffleRewards(episodes: readonly Episode[], random: () => number): readonly Episode[] {
  const rewarded = episodes.filter((episode) => episode.reward !== undefined);
  const order = randomOrder(rewarded.length, random);
  const donorOf = new Map(rewarded.map((episode, index) => [episode, rewarded[order[index]!]!]));
  return episodes.map((episode) => {
    const donor = donorOf.get(episode);
    return donor === undefined
      ? blind(episode)
      : {
          ...blind(episode),
          ...toReward(donor),
          ...(donor.feedback === undefined ? {} : { feedback: donor.feedback }),
        };
  });
}

/**
 * Gives every rollout a reward that is drawn from a source, with replacement. Permuting within a step would not do where steps are compared: a step of better
 * rollouts would have the higher mean whatever the order. Rollouts without a reward get one too, since that also tells rollouts apart; the text that says why
 * is removed, since it says in words what the reward is for.
 * @param source the rewards, sorted, so that nothing but their number and size counts; where there are none, nothing has a reward
 */
function drawRewards(
  episodes: readonly Episode[],
  source: readonly EarnedReward[],
  random: () => number,
): readonly Episode[] {
  return episodes.map((episode) => {
    const drawn = source[Math.floor(random() * source.length)];
    return { ...blind(episode), ...(drawn ?? { reward: undefined, rewards: {} }) };
  });
}

/** Returns the rewards of those episodes that have one, in an order that does not say whose they are. */
function collectRewards(episodes: readonly Episode[]): readonly EarnedReward[] {
  return episodes
    .filter(({ reward }) => reward !== undefined)
    .map((episode) => ({ text: JSON.stringify(toReward(episode)), earned: toReward(episode) }))
    .sort((one, other) => (one.text < other.text ? -1 : Number(one.text > other.text)))
    .map(({ earned }) => earned);
}

function toReward({ reward, rewards, isFailureReward }: Episode): EarnedReward {
  return { reward, rewards, ...(isFailureReward === undefined ? {} : { isFailureReward }) };
}

/** Returns an episode without what it knows of its own worth, but for its reward. */
function blind(episode: Episode): Episode {
  const transitions = episode.transitions.map((transition) => ({ ...transition, reward: undefined, signals: [] }));
  const { isFailureReward: _, feedback: __, ...others } = episode;
  return { ...others, transitions, untrainedReward: undefined };
}
