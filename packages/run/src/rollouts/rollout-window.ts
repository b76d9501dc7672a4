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

/** Returns further rollouts of a step, given what was planned for it so far and the final rollout of each. */
export type Extension = (
  planned: readonly PlannedRollout[],
  rollouts: readonly Rollout[],
) => Promise<readonly PlannedRollout[]>;

/** The most times that a step is extended, so that it ends whatever its algorithm asks for. */
const mostExtensions = 4;

/** A step that is enqueued and not yet collected. */
interface StepInFlight {
  readonly planned: readonly PlannedRollout[];
  readonly rolloutIds: readonly string[];
}

/**
 * Keeps the training rollouts in flight: those of the step that is collected, and of `ahead` steps after it. Steps are collected in
 * order and whole, so that no group is cut, no rollout trains twice, and none is older than `ahead` versions when it trains: the
 * rollouts of step s + k are not enqueued before step s − 1 is published, and train the version of step s + k − 1. Rollouts by which a
 * step is extended are sampled by the version of step s − 1.
 */
export class RolloutWindow {
  readonly #options: RolloutWindowOptions;
  readonly #inFlight = new Map<number, StepInFlight>();
  readonly #keys = new Set<string>();

  constructor(options: RolloutWindowOptions) {
    this.#options = options;
  }

  /**
   * Returns the rollouts of a step once all of them are final; those of the next steps begin meanwhile. @param extend asked for further
   * rollouts of the step until it returns none, at most four times
   */
  async collect(step: number, signal: AbortSignal, extend?: Extension): Promise<readonly Rollout[]> {
    const { collector, ahead, lastStep } = this.#options;
    for (let next = step; next <= Math.min(step + ahead, lastStep); next += 1)
      if (!this.#inFlight.has(next)) this.#inFlight.set(next, await this.#enqueue(next));
    let { planned, rolloutIds } = this.#inFlight.get(step)!;
    let rollouts = await collector.waitFor(rolloutIds, signal);
    for (let count = 0; count < mostExtensions && extend !== undefined; count += 1) {
      const further = await extend(planned, rollouts);
      if (further.length === 0) break;
      this.#checkKeys(`extend(${step})`, further);
      // They are waited for while rollouts of later steps are queued.
      rolloutIds = await collector.enqueue(further, { priority: 1 });
      planned = [...planned, ...further];
      rollouts = [...rollouts, ...(await collector.waitFor(rolloutIds, signal))];
    }
    this.#inFlight.delete(step);
    return rollouts;
  }

  async #enqueue(step: number): Promise<StepInFlight> {
    const planned = await this.#options.plan(step);
    this.#checkKeys(`plan(${step})`, planned);
    return { planned, rolloutIds: await this.#options.collector.enqueue(planned) };
  }

  /** Checks what was planned. @throws {ConfigurationError} `option-invalid` when a key is used again: its rollout would be taken for another one */
  #checkKeys(planner: string, planned: readonly PlannedRollout[]): void {
    for (const { key } of planned) {
      if (this.#keys.has(key)) throw check.optionInvalid(`${planner}: the key of a rollout`, key, 'used once in a run');
      this.#keys.add(key);
    }
  }

  /** Counts the rollouts that are enqueued and that no runner has begun. */
  async queueDepth(): Promise<number> {
    return this.#inFlight.size === 0
      ? 0
      : await this.#options.collector.countQueued([...this.#inFlight.values()].flatMap(({ rolloutIds }) => rolloutIds));
  }
}
