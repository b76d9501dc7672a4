import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskOrder } from './task-order.ts';
import { TaskSchedule, type TaskScheduleState } from './task-schedule.ts';

const shapes = fc.record({
  taskCount: fc.integer({ min: 1, max: 12 }),
  tasksPerStep: fc.integer({ min: 1, max: 15 }),
  seed: fc.nat(),
});

interface Visit {
  readonly task: number;
  readonly step: number;
}

/** Plays a schedule. @param isFlat tells the result of a task's visit */
function play(
  shape: { readonly taskCount: number; readonly tasksPerStep: number; readonly seed: number },
  steps: number,
  isFlat: (task: number, visit: number) => boolean,
): { readonly visits: readonly Visit[]; readonly states: readonly TaskScheduleState[] } {
  const schedule = new TaskSchedule(shape);
  const visits: Visit[] = [];
  const counts = new Map<number, number>();
  const states: TaskScheduleState[] = [TaskSchedule.initial];
  for (let step = 1; step <= steps; step += 1) {
    const tasks = schedule.nextTasks(states.at(-1)!);
    const groups = tasks.map((task) => {
      counts.set(task, (counts.get(task) ?? 0) + 1);
      return { task, isFlat: isFlat(task, counts.get(task)!) };
    });
    visits.push(...tasks.map((task) => ({ task, step })));
    states.push(schedule.advance(states.at(-1)!, groups));
  }
  return { visits, states };
}

describe('TaskSchedule', () => {
  it('takes the tasks of the plain order as long as every group teaches something', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 20 }), (shape, steps) => {
        const order = new TaskOrder(shape);
        const { visits, states } = play(shape, steps, () => false);
        expect(visits.map(({ task }) => task)).toEqual(
          Array.from({ length: steps }, (_, index) => order.tasksOf(index + 1)).flat(),
        );
        expect(states.at(-1)).toEqual({ position: steps * shape.tasksPerStep, flat: [] });
      }),
    );
  });

  it('drops no task: each is taken at least once in any four epochs of the order, whatever its groups came to', () => {
    fc.assert(
      fc.property(shapes, fc.func(fc.boolean()), ({ taskCount, seed }, isFlat) => {
        const { visits, states } = play({ taskCount, seed, tasksPerStep: 1 }, 60, isFlat);
        const epochs = visits.map(({ task, step }) => ({
          task,
          epoch: Math.floor((states[step]!.position - 1) / taskCount),
        }));
        const lastEpoch = epochs.at(-1)!.epoch;
        for (let task = 0; task < taskCount; task += 1) {
          const own = epochs.filter((visit) => visit.task === task).map(({ epoch }) => epoch);
          [...own, lastEpoch].forEach((epoch, index) => expect(epoch - (own[index - 1] ?? -1)).toBeLessThanOrEqual(4));
        }
      }),
    );
  });

  it('takes a task that is always solved in the epochs 0, 1, 3, 7, 11 and so on, and others in every epoch', () => {
    const shape = { taskCount: 4, tasksPerStep: 1, seed: 3 };
    const { visits, states } = play(shape, 60, (task) => task === 2);
    const epochsOf = (task: number): readonly number[] =>
      visits
        .filter((visit) => visit.task === task)
        .map(({ step }) => Math.floor((states[step]!.position - 1) / shape.taskCount));
    expect(epochsOf(2).slice(0, 5)).toEqual([0, 1, 3, 7, 11]);
    expect(epochsOf(1)).toEqual(Array.from({ length: epochsOf(1).length }, (_, epoch) => epoch));
  });

  it('takes a task every epoch again as soon as one of its groups teaches something', () => {
    const shape = { taskCount: 3, tasksPerStep: 3, seed: 0 };
    const { visits, states } = play(shape, 30, (task, visit) => task === 0 && visit <= 4);
    const tail = visits.slice(-9).filter(({ task }) => task === 0);
    expect(tail.length).toBeGreaterThanOrEqual(3);
    expect(states.at(-1)!.flat).toEqual([]);
  });

  it('follows from seed and state, which may have been JSON', () => {
    fc.assert(
      fc.property(shapes, fc.func(fc.boolean()), (shape, isFlat) => {
        for (const state of play(shape, 10, isFlat).states) {
          const copy = JSON.parse(JSON.stringify(state)) as TaskScheduleState;
          expect(new TaskSchedule(shape).nextTasks(copy)).toEqual(new TaskSchedule(shape).nextTasks(state));
        }
      }),
    );
  });

  it('finds further tasks that a step does not have, those last that are visited less', () => {
    const schedule = new TaskSchedule({ taskCount: 6, tasksPerStep: 2, seed: 5 });
    const state: TaskScheduleState = {
      position: 12,
      flat: [
        [1, 3, 1],
        [4, 1, 1],
      ],
    }; // epoch 2: task 1 is due in epoch 5
    const further = schedule.furtherTasks(state, 7, new Set([0, 2]), 9);
    expect(further.toSorted((a, b) => a - b)).toEqual([1, 3, 4, 5]);
    expect(further.at(-1)).toBe(1);
    expect(schedule.furtherTasks(state, 7, new Set([0, 2]), 2)).toEqual(further.slice(0, 2));
    const orders = [1, 2, 3, 4, 5, 6].map((step) => schedule.furtherTasks(state, step, new Set(), 9).join());
    expect(new Set(orders).size).toBeGreaterThan(1);
  });
});
