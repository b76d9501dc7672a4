import { randomOrder, seededRandom } from '@agent-lightning/core';

/**
 * Says which tasks a training step takes: the tasks in a seeded order without replacement, in a new order each epoch, cut into
 * steps of equal size that may reach over the end of an epoch. It depends on the seed and the step alone.
 */
export class TaskOrder {
  readonly #taskCount: number;
  readonly #tasksPerStep: number;
  readonly #seed: number;
  #epoch = -1;
  #order: readonly number[] = [];

  constructor(options: { readonly taskCount: number; readonly tasksPerStep: number; readonly seed: number }) {
    this.#taskCount = options.taskCount;
    this.#tasksPerStep = options.tasksPerStep;
    this.#seed = options.seed;
  }

  /** Returns the indexes of the tasks of a step; steps count from 1. */
  tasksOf(step: number): readonly number[] {
    const first = (step - 1) * this.#tasksPerStep;
    return Array.from({ length: this.#tasksPerStep }, (_, offset) => this.taskAt(first + offset));
  }

  /** Returns the epoch in which a step begins, from 0. */
  epochOf(step: number): number {
    return Math.floor(((step - 1) * this.#tasksPerStep) / this.#taskCount);
  }

  /** Returns the task at a position of the order, from 0; the order goes on over all epochs. */
  taskAt(position: number): number {
    const epoch = Math.floor(position / this.#taskCount);
    if (epoch !== this.#epoch) {
      this.#order = randomOrder(this.#taskCount, seededRandom(this.#seed, `task-order/${epoch}`));
      this.#epoch = epoch;
    }
    return this.#order[position % this.#taskCount]!;
  }
}
