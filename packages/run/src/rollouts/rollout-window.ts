import { check, type PlannedRollout, type Rollout } from '@agent-lightning/core';
import type { RolloutCollector } from './rollout-collector.ts';

export interface RolloutWindowOptions {
  readonly collector: RolloutCollector;
  /** Returns the rollouts of a step; asked once for each. */
  readonly plan: (step: number) => readonly PlannedRollout[] | Promise<readonly PlannedRollout[]>;
  /** The number of later steps that may be sampled while a step is collected. */
  readonly ahead: number;
  readonly lastStep: number;
}

/**
 * Keeps the training rollouts in flight: those of the step that is collected, and of `ahead` steps after it. Steps are collected in
 * order and whole, so that no group is cut, no rollout trains twice, and none is older than `ahead` versions when it trains: the
 * rollouts of step s + k are not enqueued before step s − 1 is published, and train the version of step s + k − 1.
 */
export class RolloutWindow {
  readonly #options: RolloutWindowOptions;
  /** Ids by step, for steps that are enqueued and not yet collected. */
  readonly #inFlight = new Map<number, readonly string[]>();
  readonly #keys = new Set<string>();

  constructor(options: RolloutWindowOptions) {
    this.#options = options;
  }

  /** Returns the rollouts of a step once all of them are final; those of the next steps begin meanwhile. */
  async collect(step: number, signal: AbortSignal): Promise<readonly Rollout[]> {
    const { collector, ahead, lastStep } = this.#options;
    for (let next = step; next <= Math.min(step + ahead, lastStep); next += 1)
      if (!this.#inFlight.has(next)) this.#inFlight.set(next, await collector.enqueue(await this.#plan(next)));
    const rollouts = await collector.waitFor(this.#inFlight.get(step)!, signal);
    this.#inFlight.delete(step);
    return rollouts;
  }

  /** Plans a step. @throws {ConfigurationError} `option-invalid` when a key is used again: its rollout would be taken for another one */
  async #plan(step: number): Promise<readonly PlannedRollout[]> {
    const planned = await this.#options.plan(step);
    for (const { key } of planned) {
      if (this.#keys.has(key))
        throw check.optionInvalid(`plan(${step}): the key of a rollout`, key, 'used once in a run');
      this.#keys.add(key);
    }
    return planned;
  }

  /** Counts the rollouts that are enqueued and that no runner has begun. */
  async queueDepth(): Promise<number> {
    return this.#inFlight.size === 0
      ? 0
      : await this.#options.collector.countQueued([...this.#inFlight.values()].flat());
  }
}
