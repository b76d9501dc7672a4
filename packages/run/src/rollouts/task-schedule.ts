import { randomOrder, seededRandom } from '@agent-lightning/core';
import { TaskOrder } from './task-order.ts';

/** The things that a schedule knows of the tasks after a step; JSON. */
export interface TaskScheduleState {
  /** The number of places of the order that were passed, with those whose task was left out. */
  readonly position: number;
  /** The tasks whose last groups taught nothing: how many groups in a row, and the epoch of the last one. */
  readonly flat: readonly (readonly [task: number, groups: number, epoch: number])[];
}

/** A group of a step: its task, and whether all of its rewards were equal. */
export interface VisitedTask {
  readonly task: number;
  readonly isFlat: boolean;
}

/** The tasks of a step, each with the epoch that it was taken in, and where the order stands after them. */
interface Walk {
  readonly visits: readonly (readonly [task: number, epoch: number])[];
  readonly position: number;
}

/**
 * Says which tasks a training step takes, and visits those less often that the agent always solves or never solves: a task whose last two
 * groups taught nothing is taken every second epoch, after three such groups every fourth. No task is ever dropped, and the first group that
 * teaches something brings its task back to every epoch. The tasks come in the seeded order of a {@link TaskOrder}, so the seed and the state
 * decide.
 */
export class TaskSchedule {
  /** The state before the first step. */
  static readonly initial: TaskScheduleState = { position: 0, flat: [] };
  readonly #order: TaskOrder;
  readonly #taskCount: number;
  readonly #tasksPerStep: number;
  readonly #seed: number;

  constructor(options: { readonly taskCount: number; readonly tasksPerStep: number; readonly seed: number }) {
    this.#order = new TaskOrder(options);
    this.#taskCount = options.taskCount;
    this.#tasksPerStep = options.tasksPerStep;
    this.#seed = options.seed;
  }

  /** Returns the indexes of the tasks of the step that follows. */
  nextTasks(state: TaskScheduleState): readonly number[] {
    return this.#walk(state).visits.map(([task]) => task);
  }

  /** Returns at most `count` tasks more for a step, none that it has: in a random order, those last that are to be visited less. */
  furtherTasks(state: TaskScheduleState, step: number, taken: ReadonlySet<number>, count: number): readonly number[] {
    const epoch = this.epochOf(state);
    const dueEpochs = dueEpochsOf(state);
    const order = randomOrder(this.#taskCount, seededRandom(this.#seed, `further-tasks/${step}`));
    const free = order.filter((task) => !taken.has(task));
    const isDue = (task: number): boolean => (dueEpochs.get(task) ?? 0) <= epoch;
    return [...free.filter(isDue), ...free.filter((task) => !isDue(task))].slice(0, count);
  }

  /** Returns the epoch in which the step that follows begins, from 0. */
  epochOf({ position }: TaskScheduleState): number {
    return Math.floor(position / this.#taskCount);
  }

  /** Returns the state after the step that follows `state`, given the groups of it that could be compared. */
  advance(state: TaskScheduleState, groups: readonly VisitedTask[]): TaskScheduleState {
    const { visits, position } = this.#walk(state);
    const epochs = new Map(visits); // of a task that was taken twice, the later one
    const flat = new Map(state.flat.map((entry) => [entry[0], entry]));
    for (const [task, own] of Map.groupBy(groups, (group) => group.task)) {
      const count = (flat.get(task)?.[1] ?? 0) + own.length;
      if (own.every(({ isFlat }) => isFlat)) flat.set(task, [task, count, epochs.get(task) ?? this.epochOf(state)]);
      else flat.delete(task);
    }
    return { position, flat: [...flat.values()].toSorted(([a], [b]) => a - b) };
  }

  /** Goes along the order until the step has its tasks; tasks that are not due yet are passed. */
  #walk(state: TaskScheduleState): Walk {
    const dueEpochs = dueEpochsOf(state);
    const visits: (readonly [number, number])[] = [];
    let { position } = state;
    while (visits.length < this.#tasksPerStep) {
      const task = this.#order.taskAt(position);
      const epoch = this.epochOf({ ...state, position });
      position += 1;
      if ((dueEpochs.get(task) ?? 0) <= epoch) visits.push([task, epoch]);
    }
    return { visits, position };
  }
}

/** Returns the epoch from which each of the tasks that taught nothing is taken again. */
function dueEpochsOf({ flat }: TaskScheduleState): ReadonlyMap<number, number> {
  return new Map(flat.map(([task, groups, epoch]) => [task, epoch + (groups < 2 ? 1 : groups === 2 ? 2 : 4)]));
}
