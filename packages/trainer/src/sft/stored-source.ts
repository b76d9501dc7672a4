import { TrainerError, type PlannedRollout } from '@agent-lightning/core';
import { TaskOrder } from '@agent-lightning/run';
import type { DemonstrationSource, StepDemonstrations } from './demonstration-source.ts';
import type { SftSettings } from './sft-options.ts';
import type { StoredDemonstrations } from './stored-demonstrations.ts';

/** Rollouts that ran before: a step runs none, and imitates some of them, in a new order in each epoch. */
export class StoredSource implements DemonstrationSource {
  readonly hasTeacher = false;
  readonly #settings: SftSettings;
  readonly #seed: number;
  readonly #read: () => Promise<StoredDemonstrations>;
  #epochOf: ((step: number) => number) | undefined;
  /** What an earlier process of the run imitated; undefined in the first. */
  expected: string | undefined;

  /** @param read returns the same each time */
  constructor(settings: SftSettings, seed: number, read: () => Promise<StoredDemonstrations>) {
    this.#settings = settings;
    this.#seed = seed;
    this.#read = read;
  }

  plan(): Promise<readonly PlannedRollout[]> {
    return Promise.resolve([]);
  }

  /** @throws {TrainerError} `resume-mismatch` where the store has other rollouts than when the run began */
  async choose(step: number): Promise<StepDemonstrations> {
    const { selection, calls, digest } = await this.#read();
    if (this.expected !== undefined && this.expected !== digest)
      throw new TrainerError(
        `sft.from has other rollouts than when this run began (${this.expected} then, ${digest} now); resume with the store as it was, or train in another runDirectory`,
        { code: 'resume-mismatch' },
      );
    this.expected = digest;
    const { kept, leftOut } = selection;
    const { rolloutsPerStep } = this.#settings;
    const tasksPerStep = Math.min(rolloutsPerStep, kept.length);
    const order = new TaskOrder({ taskCount: kept.length, tasksPerStep, seed: this.#seed });
    this.#epochOf = (each) => order.epochOf(each);
    return {
      episodes: [],
      // What was left out of the store is told once.
      selection: {
        kept: kept.length === 0 ? [] : order.tasksOf(step).map((index) => kept[index]!),
        leftOut: step === 1 ? leftOut : {},
      },
      calls: step === 1 ? calls : { rendered: 0, leftOut: 0 },
    };
  }

  epochOf(step: number): number {
    return this.#epochOf?.(step) ?? 0;
  }
}
