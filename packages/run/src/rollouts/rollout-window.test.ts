import type { PlannedRollout } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { afterEach, describe, expect, it } from 'vitest';
import { RolloutCollector } from './rollout-collector.ts';
import { RolloutWindow } from './rollout-window.ts';

const { signal } = new AbortController();
const stores: MemoryStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

interface TestWindow {
  readonly window: RolloutWindow;
  readonly asked: number[];
  /** Claims and completes every rollout that is queued. */
  runAll(): Promise<void>;
}

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
    window: new RolloutWindow({ collector, plan, ahead, lastStep: 3 }),
    asked,
    runAll: async () => {
      for (const { lease } of await store.claim({ workerId: 'test', limit: 10 })) await store.complete(lease);
    },
  };
}

/** Collects a step while its rollouts run. */
async function collect({ window, runAll }: TestWindow, step: number): Promise<readonly unknown[]> {
  const collecting = window.collect(step, signal);
  let isDone = false;
  void collecting.finally(() => (isDone = true));
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

  it('refuses a key that an earlier step had: its rollout would be taken again', async () => {
    const test = createWindow(0, () => 'same');
    await collect(test, 1);
    await expect(test.window.collect(2, signal)).rejects.toMatchObject({
      code: 'option-invalid',
      message: 'plan(2): the key of a rollout must be used once in a run; got same',
    });
  });
});
