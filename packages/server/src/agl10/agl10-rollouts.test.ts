import { expect, it } from 'vitest';
import { MemoryStore } from '@agent-lightning/store';
import { Agl10Rollouts } from './agl10-rollouts.ts';

it('keeps the places of final rollouts when more become final within the same millisecond', async () => {
  const store = new MemoryStore({ now: () => 1_000, watchdogIntervalMs: 0 });
  const rollouts = new Agl10Rollouts(store, async () => {});
  const fields = { isTrain: true, config: { timeout_seconds: 60 }, metadata: {} };
  await rollouts.enqueue(
    ['a', 'b', 'c', 'd'].map((rolloutId) => ({ ...fields, rolloutId, input: { data_id: rolloutId } })),
  );
  const end = (id: string): Promise<unknown> => rollouts.patch(id, { state: 'failed' });
  await end('d');
  await end('b');
  const first = await rollouts.terminal(0, 10);
  expect(first).toMatchObject({ items: [{ rollout_id: 'b' }, { rollout_id: 'd' }], next_after: 2, total_terminal: 2 });
  await end('a');
  await end('c');
  await rollouts.delete('c');
  const [second, third] = await Promise.all([rollouts.terminal(2, 1), rollouts.terminal(3, 1)]);
  expect(second).toEqual({
    items: [{ rollout_id: 'a', state: 'failed', data_id: 'a', is_train: true }],
    next_after: 3,
    total_terminal: 4,
  });
  expect(third).toEqual({ items: [], next_after: 4, total_terminal: 4 });
  await store.close();
});

it('forgets ended rollouts that the store has no more, and leaves the others their places', async () => {
  let nowMs = 1_000;
  const store = new MemoryStore({ now: () => nowMs, watchdogIntervalMs: 0, keepEndedMs: 60_000 });
  const rollouts = new Agl10Rollouts(store, async () => {});
  const end = async (rolloutId: string): Promise<void> => {
    const create = { rolloutId, input: 1, isTrain: true, config: { timeout_seconds: 60 }, metadata: {} };
    await rollouts.enqueue([create]);
    await rollouts.patch(rolloutId, { state: 'failed' });
  };
  for (const id of ['a', 'b']) await end(id);
  expect(await rollouts.terminal(0, 10)).toMatchObject({ next_after: 2, total_terminal: 2 });
  nowMs += 61_000;
  await end('c');
  await store.runWatchdog();
  const [all, rest] = await Promise.all([rollouts.terminal(0, 10), rollouts.terminal(2, 10)]);
  for (const page of [all, rest])
    expect(page).toMatchObject({ items: [{ rollout_id: 'c' }], next_after: 3, total_terminal: 3 });
  expect(await rollouts.terminal(3, 10)).toEqual({ items: [], next_after: 3, total_terminal: 3 });
  await store.close();
});
