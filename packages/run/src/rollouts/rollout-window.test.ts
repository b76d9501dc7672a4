import type { PlannedRollout, Rollout } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { afterEach, describe, expect, it } from 'vitest';
import { RolloutCollector } from './rollout-collector.ts';
import { RolloutWindow, type Extension } from './rollout-window.ts';

const { signal } = new AbortController();
const stores: MemoryStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

interface TestWindow {
  readonly store: MemoryStore;
  readonly window: RolloutWindow;
  readonly asked: number[];
  /** Claims and completes every rollout that is queued. */
  runAll(): Promise<void>;
}

const plannedOf = (key: string): PlannedRollout => ({ key, input: key, mode: 'train', metadata: {} });

function createWindow(ahead: number, keyOf: (step: number) => string = (step) => `s${step}`): TestWindow {
  const store = new MemoryStore();
  stores.push(store);
  const asked: number[] = [];
  const collector = new RolloutCollector({
    store,
    runId: 'run',
    retry: {},
    attemptTimeoutMs: 60_000,
    resumed: false,
    policies: [],
  });
  const plan = async (step: number): Promise<readonly PlannedRollout[]> => {
    asked.push(step);
    return [{ key: keyOf(step), input: step, mode: 'train', metadata: {} }];
  };
  return {
    store,
    window: new RolloutWindow({ collector, plan, ahead, lastStep: 3 }),
    asked,
    runAll: async () => {
      for (const { lease } of await store.claim({ workerId: 'test', limit: 10 })) await store.complete(lease);
    },
  };
}

/** Collects a step while its rollouts run. */
async function collect({ window, runAll }: TestWindow, step: number, extend?: Extension): Promise<readonly unknown[]> {
  const collecting = window.collect(step, signal, extend);
  let isDone = false;
  const markDone = (): boolean => (isDone = true);
  void collecting.then(markDone, markDone);
  while (!isDone) await runAll();
  return (await collecting).map(({ input }) => input);
}

describe('a window of rollouts', () => {
  it('asks for the plan of each step once, and not beyond the last one', async () => {
    const test = createWindow(2);
    for (const step of [1, 2, 3]) expect(await collect(test, step)).toEqual([step]);
    expect(test.asked).toEqual([1, 2, 3]);
  });

  it('asks for no step ahead of what was learned', async () => {
    const test = createWindow(0);
    await collect(test, 1);
    expect(test.asked).toEqual([1]);
  });

  it('extends a step until nothing more is asked for, before what later steps have queued', async () => {
    const test = createWindow(1);
    const asked: (readonly number[])[] = [];
    const extend = async (planned: readonly PlannedRollout[], rollouts: readonly Rollout[]) => {
      asked.push([planned.length, rollouts.filter(({ status }) => status === 'succeeded').length]);
      return planned.length < 4 ? [plannedOf(`x${planned.length}`), plannedOf(`y${planned.length}`)] : [];
    };
    expect(await collect(test, 1, extend)).toEqual([1, 'x1', 'y1', 'x3', 'y3']);
    expect(asked).toEqual([1, 3, 5].map((count) => [count, count]));
    const priorityOf = async (id: string): Promise<unknown> => (await test.store.getRollout(id))?.priority;
    expect(await Promise.all(['run.s1', 'run.x1', 'run.y3', 'run.s2'].map(priorityOf))).toEqual([0, 1, 1, 0]);
  });

  it('extends a step four times at most', async () => {
    const test = createWindow(0);
    let count = 0;
    const extend = async (): Promise<readonly PlannedRollout[]> => [plannedOf(`more${(count += 1)}`)];
    expect(await collect(test, 1, extend)).toEqual([1, 'more1', 'more2', 'more3', 'more4']);
    expect(count).toBe(4);
  });

  it('refuses a key that an extension uses again', async () => {
    const test = createWindow(0);
    const extend = async (): Promise<readonly PlannedRollout[]> => [plannedOf('s1')];
    await expect(collect(test, 1, extend)).rejects.toMatchObject({
      message: 'extend(1): the key of a rollout must be used once in a run; got s1',
    });
  });

  it('refuses a key that an earlier step had: its rollout would be taken again', async () => {
    const test = createWindow(0, () => 'same');
    await collect(test, 1);
    await expect(test.window.collect(2, signal)).rejects.toMatchObject({
      code: 'option-invalid',
      message: 'plan(2): the key of a rollout must be used once in a run; got same',
    });
  });
});
