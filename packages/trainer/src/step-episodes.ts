import type { Episode, Rollout } from '@agent-lightning/core';
import type { RolloutCollector } from '@agent-lightning/run';

/** Reads the episodes of a step's rollouts, each once, while the step is extended. */
export class StepEpisodes {
  readonly #collector: Pick<RolloutCollector, 'readEpisodes'>;
  #episodes: readonly Episode[] = [];

  constructor(collector: Pick<RolloutCollector, 'readEpisodes'>) {
    this.#collector = collector;
  }

  /** Returns the episode of each rollout. @param rollouts those of the call before, and further ones */
  async read(rollouts: readonly Rollout[]): Promise<readonly Episode[]> {
    const further = rollouts.slice(this.#episodes.length);
    if (further.length > 0) this.#episodes = [...this.#episodes, ...(await this.#collector.readEpisodes(further))];
    return this.#episodes;
  }
}
