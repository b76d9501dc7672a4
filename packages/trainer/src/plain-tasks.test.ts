import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toPlainTasks } from './plain-tasks.ts';

class Money {
  readonly amount = 5;
}

const circle: Record<string, unknown> = { name: 'a' };
circle['self'] = { again: [circle] };

describe('toPlainTasks', () => {
  it('leaves undefined members out, at every depth, and copies the rest', () => {
    const shared = { b: 1 };
    const given = [{ a: undefined, list: [{ c: undefined, d: null }], one: shared, two: shared }];
    const plain = toPlainTasks('dev: tasks', given);
    expect(plain).toStrictEqual([{ list: [{ d: null }], one: { b: 1 }, two: { b: 1 } }]);
    shared.b = 2;
    expect(plain[0]!.one.b).toBe(1);
  });

  it('is what JSON makes of JSON', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), (tasks) => {
        expect(toPlainTasks('fit: train', tasks)).toEqual(JSON.parse(JSON.stringify(tasks)));
      }),
      { examples: [[[{ '': -0 }]]] },
    );
  });

  it.each([
    [undefined, 'dev: tasks[0] must be JSON', 'got undefined (undefined)'],
    [{ id: 12n }, 'dev: tasks[0].id must be JSON', 'or String(…) of a BigInt; got 12n, a BigInt'],
    [
      { steps: [{ at: new Date(0) }] },
      'dev: tasks[0].steps[0].at must be',
      'such as toISOString() of a Date; got a Date',
    ],
    [{ rows: new Map() }, 'dev: tasks[0].rows must be', 'such as Object.fromEntries(…) of a Map; got a Map'],
    [{ tags: new Set() }, 'dev: tasks[0].tags must be', 'such as an array of what a Set holds; got a Set'],
    [{ price: new Money() }, 'dev: tasks[0].price must be', 'such as { ...value }; got an instance of Money'],
    [{ bytes: new Uint8Array(2) }, 'dev: tasks[0].bytes must be', 'got an instance of Uint8Array'],
    [{ check: () => 1 }, 'dev: tasks[0].check must be JSON', '(function)'],
    [{ score: Number.NaN }, 'dev: tasks[0].score must be JSON', 'got NaN (number)'],
    [{ best: -Infinity }, 'dev: tasks[0].best must be JSON', 'got -Infinity (number)'],
    [[1, undefined], 'dev: tasks[0][1] must be JSON', 'got undefined'],
    [Symbol('a'), 'dev: tasks[0] must be JSON', 'got Symbol(a) (symbol)'],
    [circle, 'dev: tasks[0].self.again[0] must be JSON, which has no circles', 'got an object that it is in itself'],
  ])('names the place and what to give instead (%#)', (task, place, problem) => {
    const refused = expect.objectContaining({ name: 'ConfigurationError', code: 'option-invalid' });
    expect(() => toPlainTasks('dev: tasks', [task])).toThrow(refused);
    expect(() => toPlainTasks('dev: tasks', [task])).toThrow(place);
    expect(() => toPlainTasks('dev: tasks', [task])).toThrow(problem);
  });
});
