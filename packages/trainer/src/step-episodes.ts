import type { Episode, Rollout } from '@agent-lightning/core';
import type { RolloutCollector } from '@agent-lightning/run';

/** Reads the episodes of a step's rollouts, each once, while the step is extended. */
export class StepEpisodes {
  readonly #collector: Pick<RolloutCollector, 'readUnscored' | 'failures'>;
  #unscored: readonly Episode[] = [];

  constructor(collector: Pick<RolloutCollector, 'readUnscored' | 'failures'>) {
    this.#collector = collector;
  }

  /**
   * Returns the episode of each rollout, all failures among them scored alike: what came with an extension may have lowered the failure reward.
   * @param rollouts those of the call before, and further ones
   */
  async read(rollouts: readonly Rollout[]): Promise<readonly Episode[]> {
    const further = rollouts.slice(this.#unscored.length);
    if (further.length > 0) this.#unscored = [...this.#unscored, ...(await this.#collector.readUnscored(further))];
    return this.#collector.failures.score(this.#unscored);
  }
}
