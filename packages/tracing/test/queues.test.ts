import Bottleneck from 'bottleneck';
import PQueue from 'p-queue';
import { describe, expect, it } from 'vitest';
import { activeSpan, bindToRollout, currentRollout, emitMessage, runInSpan } from '../src/index.ts';
import { startRollout, type TestRollout } from './test-rollout.ts';

type Task = () => Promise<unknown>;

/** A queue of one's own, which starts the next task where the one before has ended. */
function callbackQueue(): (task: Task) => Promise<unknown> {
  const waiting: (() => void)[] = [];
  let isBusy = false;
  const next = (): void => {
    const start = waiting.shift();
    isBusy = start !== undefined;
    start?.();
  };
  return (task) =>
    new Promise((resolve, reject) => {
      waiting.push(() => void task().then(resolve, reject).finally(next));
      if (!isBusy) next();
    });
}

const queues: readonly (readonly [name: string, create: () => (task: Task) => Promise<unknown>])[] = [
  [
    'p-queue',
    () => {
      const queue = new PQueue({ concurrency: 1 });
      return (task) => queue.add(task);
    },
  ],
  [
    'Bottleneck',
    () => {
      const limiter = new Bottleneck({ maxConcurrent: 1 });
      return (task) => limiter.schedule(task);
    },
  ],
  ['a callback queue', callbackQueue],
];

/** Makes a call that takes a few turns of the event loop, and says in the trace whose it is. */
async function call(text: string): Promise<string | undefined> {
  await new Promise((resolve) => setImmediate(resolve));
  emitMessage(text);
  return currentRollout()?.rollout.rolloutId;
}

describe('a task in a queue that rollouts share', () => {
  it.each(queues)('belongs to the rollout that bound it: %s', async (_name, create) => {
    const add = create();
    const rollouts = await Promise.all(Array.from({ length: 4 }, () => startRollout()));
    const work = async ({ scope, run }: TestRollout): Promise<unknown> =>
      run(() =>
        runInSpan({ attemptId: scope.attempt.attemptId, spanId: '00000000000000aa' }, async () => [
          await add(bindToRollout(() => call('first'))),
          await add(bindToRollout(() => Promise.resolve(activeSpan(scope)?.spanId))),
        ]),
      );
    const outside = Promise.all([0, 1].map(() => add(bindToRollout(() => call('outside')))));
    const found = await Promise.all(rollouts.map(work));
    expect(found).toEqual(rollouts.map(({ scope }) => [scope.rollout.rolloutId, '00000000000000aa']));
    expect(await outside).toEqual([undefined, undefined]);
    for (const rollout of rollouts)
      expect((await rollout.spans()).map(({ attributes }) => Object.values(attributes))).toEqual([['first']]);
  });

  it('keeps its arguments, its result and its this', () => {
    const counter = {
      start: 2,
      add: bindToRollout(function (this: { start: number }, more: number) {
        return this.start + more;
      }),
    };
    expect(counter.add(3)).toBe(5);
    const broken = bindToRollout(() => {
      throw new RangeError('no');
    });
    expect(broken).toThrow(RangeError);
  });
});
