import { failureKinds, type Episode } from '@agent-lightning/core';

/** The options by which failed rollouts count. */
export interface FailureScoringOptions {
  /** Sorts failures of the user's own by code. @default none: they are of unknown cause */
  readonly sorting?: Parameters<typeof failureKinds.checkSorting>[1];
  /** The reward of a rollout that failed by the policy's doing, or for an unknown reason. @default the lower of 0 and the lowest return seen so far */
  readonly failureReward?: number;
}

/**
 * Gives failed rollouts their reward, the same in training, validation and a dry run. A failure of the policy or of unknown cause counts
 * with the failure reward and with nothing else; a failure of the world has no reward, and is left out. Otherwise a policy that is
 * rewarded only where it survives would learn to fail.
 */
export class FailureScoring {
  readonly #options: FailureScoringOptions;
  #lowestReturn: number | undefined;
  #usualPaces: readonly number[] = [];

  constructor(options: FailureScoringOptions = {}) {
    this.#options = options;
  }

  get sorting(): NonNullable<FailureScoringOptions['sorting']> {
    return this.#options.sorting ?? {};
  }

  /** Returns the lowest return of a rollout that succeeded; undefined before the first one. */
  get lowestReturn(): number | undefined {
    return this.#lowestReturn;
  }

  /** Returns the reward that a failed rollout gets now. */
  get failureReward(): number {
    return this.#options.failureReward ?? Math.min(0, this.#lowestReturn ?? 0);
  }

  /** Says that the given failure reward is above a return that was seen; undefined when it is not, or none was given. */
  get complaint(): string | undefined {
    const { failureReward } = this.#options;
    const lowest = this.#lowestReturn;
    if (failureReward === undefined || lowest === undefined || failureReward <= lowest) return undefined;
    return `failureReward is ${failureReward}, and a rollout that succeeded earned ${lowest}: the agent would learn that failing is better; give a failureReward of at most ${lowest}, or leave it out`;
  }

  /** Goes on from the lowest return that an earlier process saw. */
  resume(lowestReturn: number | undefined): void {
    if (lowestReturn !== undefined) this.#see(lowestReturn);
  }

  /** Returns the episodes of rollouts that ran together, each failed one with its kind and its reward. */
  score(episodes: readonly Episode[]): readonly Episode[] {
    for (const episode of episodes) {
      const earned = isSuccess(episode) ? returnOf(episode) : undefined;
      if (earned !== undefined) this.#see(earned);
    }
    const paces = episodes.flatMap((episode) => (isSuccess(episode) ? (episode.pace?.tokensPerSecond ?? []) : []));
    if (paces.length > 0) this.#usualPaces = paces.toSorted((a, b) => a - b);
    return episodes.map((episode) => (isSuccess(episode) ? episode : this.#scoreFailed(episode)));
  }

  #scoreFailed(episode: Episode): Episode {
    const failureKind = this.#kindOf(episode);
    const scored = { ...episode, failureKind, rewards: {}, untrainedReward: undefined };
    const withoutRewards = episode.transitions.map((call) => ({ ...call, reward: undefined }));
    return failureKind === 'world'
      ? { ...scored, reward: undefined, transitions: withoutRewards.map((call) => ({ ...call, signals: [] })) }
      : { ...scored, reward: this.failureReward, isFailureReward: true, transitions: withoutRewards };
  }

  #kindOf({ rollout, failureKind = 'unknown', pace }: Episode): NonNullable<Episode['failureKind']> {
    const isOpen = failureKind === 'unknown' && this.sorting['timed-out'] === undefined;
    if (!isOpen || rollout.failure?.code !== 'timed-out') return failureKind;
    const limitMs = rollout.timeouts.startToFinishMs;
    if (limitMs === undefined) return failureKind;
    return failureKinds.ofTimeout(pace, limitMs / 1_000, this.#usualPaces[Math.floor(this.#usualPaces.length / 2)]);
  }

  #see(earned: number): void {
    this.#lowestReturn = Math.min(this.#lowestReturn ?? earned, earned);
  }
}

function isSuccess({ rollout }: Episode): boolean {
  return rollout.status === 'succeeded';
}

/** Returns a rollout's return, before any intermediate rewards; undefined when it has no reward. */
function returnOf({ reward, untrainedReward = 0, transitions }: Episode): number | undefined {
  if (reward === undefined) return undefined;
  return transitions.reduce((sum, call) => sum + (call.reward ?? 0), reward + untrainedReward);
}
