import { randomOrder, seededRandom } from '@agent-lightning/core';

/**
 * Returns the positions of an epoch's order in minibatches of one size; the last one is filled up with the first positions of the
 * epoch, so that no minibatch has a task twice.
 * @param order all positions, at least `size`
 */
export function splitEpoch(order: readonly number[], size: number): readonly (readonly number[])[] {
  const missing = (size - (order.length % size)) % size;
  const padded = [...order, ...order.slice(0, missing)];
  return Array.from({ length: padded.length / size }, (_, batch) => padded.slice(batch * size, (batch + 1) * size));
}

/** Draws the tasks by which a comparison goes on: twice as many as it has so far, or all that are left. */
export function drawFurtherTasks(
  compared: readonly number[],
  tasks: readonly number[],
  random: () => number,
): readonly number[] {
  const left = tasks.filter((task) => !compared.includes(task));
  const order = randomOrder(left.length, random);
  return order.slice(0, 2 * compared.length).map((position) => left[position]!);
}

/**
 * Returns a minibatch of tasks by its number in the run, from 0: each epoch has all tasks in an order of its own, and
 * follows from nothing but the seed. There are fewer tasks in it than `size` where there are fewer tasks.
 */
export function minibatchAt(number: number, tasks: readonly number[], size: number, seed: number): readonly number[] {
  const actual = Math.min(size, tasks.length);
  const perEpoch = Math.ceil(tasks.length / actual);
  const epoch = Math.floor(number / perEpoch);
  const order = randomOrder(tasks.length, seededRandom(seed, `minibatches/${epoch}`));
  return splitEpoch(order, actual)[number % perEpoch]!.map((position) => tasks[position]!);
}
