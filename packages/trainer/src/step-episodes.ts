import type { Episode, Rollout } from '@agent-lightning/core';
import type { RolloutCollector } from '@agent-lightning/run';
import type { GroupScorer } from './group-reward.ts';

/** Reads the episodes of a step's rollouts, each once, while the step is extended. Where groups are rewarded as a whole, they are scored first. */
export class StepEpisodes {
  readonly #collector: Pick<RolloutCollector, 'readUnscored' | 'failures'>;
  readonly #scorer: Pick<GroupScorer<never>, 'score' | 'keepScored'> | undefined;
  readonly #reached: AbortSignal | undefined;
  #unscored: readonly Episode[] = [];

  constructor(
    collector: Pick<RolloutCollector, 'readUnscored' | 'failures'>,
    scorer?: Pick<GroupScorer<never>, 'score' | 'keepScored'>,
    reached?: AbortSignal,
  ) {
    this.#collector = collector;
    this.#scorer = scorer;
    this.#reached = reached;
  }

  /**
   * Returns the episode of each rollout, all failures among them scored alike: what came with an extension may have lowered the failure reward.
   * @param rollouts those of the call before, and further ones
   * @throws {LightningError} the reason of `reached`, where a limit is reached when the groups were scored
   */
  async read(rollouts: readonly Rollout[]): Promise<readonly Episode[]> {
    const known = this.#unscored.length;
    if (rollouts.length > known) {
      await this.#scorer?.score(rollouts);
      // A judge that was refused a call has left its groups without rewards: there is nothing to learn from.
      if (this.#scorer !== undefined) this.#reached?.throwIfAborted();
      // A group that has grown is scored anew, those of its rollouts that were read before among them.
      const kept = this.#scorer === undefined ? this.#unscored : [];
      const read = await this.#collector.readUnscored(rollouts.slice(kept.length));
      this.#unscored = [...kept, ...(this.#scorer?.keepScored(read) ?? read)];
    }
    return this.#collector.failures.score(this.#unscored);
  }
}
