import { check, randomOrder, seededRandom } from '@agent-lightning/core';

/** The tasks of a run by what they are for, by their positions. */
export interface TaskSplit {
  /** The tasks of the minibatches. */
  readonly feedback: readonly number[];
  /** The tasks on which candidates are compared with each other. */
  readonly selection: readonly number[];
}

/** Splits the tasks of a dry run as `splitTasks` does; there may be fewer than a run needs. */
export function splitFewTasks(
  owner: string,
  selectionTasks: number | undefined,
  taskCount: number,
  seed: number,
): TaskSplit {
  const most = selectionTasks === undefined ? undefined : Math.min(selectionTasks, taskCount);
  return splitTasks(owner, most, taskCount, seed);
}

/** Splits the training tasks by chance: half of 8 or more tasks are for selection, else all are for both. @param owner the algorithm, in messages @param selectionTasks the number that the user gives. @throws {ConfigurationError} `option-invalid` when there are too few */
export function splitTasks(
  owner: string,
  selectionTasks: number | undefined,
  taskCount: number,
  seed: number,
): TaskSplit {
  const count = selectionTasks ?? (taskCount < 8 ? taskCount : Math.floor(taskCount / 2));
  if (count > taskCount)
    throw check.optionInvalid(`${owner}.selectionTasks`, count, `at most the number of training tasks, ${taskCount}`);
  const order = randomOrder(taskCount, seededRandom(seed, 'prompts/split'));
  const sort = (positions: readonly number[]): readonly number[] => [...positions].sort((a, b) => a - b);
  return { selection: sort(order.slice(0, count)), feedback: sort(count === taskCount ? order : order.slice(count)) };
}
