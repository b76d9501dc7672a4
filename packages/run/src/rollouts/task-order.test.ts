import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TaskOrder } from './task-order.ts';

const shapes = fc.record({
  taskCount: fc.integer({ min: 1, max: 40 }),
  tasksPerStep: fc.integer({ min: 1, max: 50 }),
  seed: fc.nat(),
});

describe('TaskOrder', () => {
  it('takes every task once in each epoch, whatever the step size', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 4 }), (shape, epochs) => {
        const order = new TaskOrder(shape);
        const steps = Math.ceil((shape.taskCount * epochs) / shape.tasksPerStep);
        const taken = Array.from({ length: steps }, (_, index) => order.tasksOf(index + 1)).flat();
        for (let epoch = 0; epoch < epochs; epoch++) {
          const own = taken.slice(epoch * shape.taskCount, (epoch + 1) * shape.taskCount);
          expect(own.toSorted((a, b) => a - b)).toEqual(Array.from({ length: shape.taskCount }, (_, index) => index));
        }
      }),
    );
  });

  it('gives a step the same tasks in any order of asking', () => {
    fc.assert(
      fc.property(shapes, fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }), (shape, steps) => {
        const one = new TaskOrder(shape);
        for (const step of steps) expect(one.tasksOf(step)).toEqual(new TaskOrder(shape).tasksOf(step));
      }),
    );
  });

  it('has another order for another seed and another epoch', () => {
    const orderOf = (seed: number, step: number): readonly number[] =>
      new TaskOrder({ taskCount: 20, tasksPerStep: 20, seed }).tasksOf(step);
    expect(orderOf(1, 1)).not.toEqual(orderOf(2, 1));
    expect(orderOf(1, 1)).not.toEqual(orderOf(1, 2));
  });

  it('says which epoch a step begins in', () => {
    const order = new TaskOrder({ taskCount: 10, tasksPerStep: 4, seed: 0 });
    expect([1, 2, 3, 4, 5, 6].map((step) => order.epochOf(step))).toEqual([0, 0, 0, 1, 1, 2]);
  });
});
