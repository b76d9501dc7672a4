import { MemoryStore } from '@agent-lightning/store';
import { expect, it } from 'vitest';
import { attributeNames, type PlannedRollout } from '@agent-lightning/core';
import { RolloutCollector } from './rollout-collector.ts';

const planned = ['done', 'left', 'cancelled', 'queued'].map((key): PlannedRollout => ({
  key,
  input: key,
  mode: 'train',
  metadata: {},
}));

it('runs again, under another id, what ended because its process did; what is finished or queued is taken as it is', async () => {
  let nowMs = 0;
  const store = new MemoryStore({ now: () => nowMs, watchdogIntervalMs: 0 });
  const options = { store, runId: 'run', retry: {}, attemptTimeoutMs: 600_000, policies: ['policy'] };
  expect(await new RolloutCollector({ ...options, resumed: false }).enqueue(planned)).toEqual(
    planned.map(({ key }) => `run.${key}`),
  );
  const claims = await store.claim({ workerId: 'dead', limit: 2, leaseMs: 30_000 });
  await store.complete(claims[0]!.lease);
  await store.cancel('run.cancelled');
  nowMs = 60_000;
  await store.runWatchdog();
  expect(await store.getRollout('run.left')).toMatchObject({ status: 'failed', failure: { code: 'lease-expired' } });
  for (const _ of ['a resume', 'and another'])
    expect(await new RolloutCollector({ ...options, resumed: true }).enqueue(planned)).toEqual([
      'run.done',
      'run.left.r1',
      'run.cancelled.r1',
      'run.queued',
    ]);
  await store.close();
});

it('runs again what failed because what samples was away, whatever its agent threw', async () => {
  const store = new MemoryStore();
  const options = { store, runId: 'run', retry: {}, attemptTimeoutMs: 600_000, policies: ['policy'] };
  const two = planned.slice(0, 2);
  await new RolloutCollector({ ...options, resumed: false }).enqueue(two);
  const claims = await store.claim({ workerId: 'dead', limit: 2 });
  for (const { lease, rollout } of claims) {
    const isAway = rollout.rolloutId === 'run.left';
    await store.appendSpans(lease, [
      {
        spanId: '00000000000000ab',
        traceId: 'c'.repeat(32),
        kind: 'model_call',
        name: 'chat',
        status: { code: 'error' },
        startTimeMs: 1,
        endTimeMs: 2,
        attributes: {
          [attributeNames.source]: 'gateway',
          [attributeNames.policy]: 'policy',
          ...(isAway && { [attributeNames.outage]: true }),
        },
      },
    ]);
    await store.fail(lease, { code: 'PaymentError', message: 'declined' });
  }
  const resumed = new RolloutCollector({ ...options, resumed: true });
  expect(await resumed.enqueue(two)).toEqual(['run.done', 'run.left.r1']);
  await store.close();
});

it('runs again what ran with other resources than it is now to have', async () => {
  const store = new MemoryStore();
  for (const name of ['a', 'b']) await store.putResources(`run.${name}`, { value: { type: 'json', value: name } });
  const options = { store, runId: 'run', retry: {}, attemptTimeoutMs: 600_000, policies: [] };
  const withResources = (resourcesId: string): readonly PlannedRollout[] => [{ ...planned[0]!, resourcesId }];
  await new RolloutCollector({ ...options, resumed: false }).enqueue(withResources('a'));
  for (const { lease } of await store.claim({ workerId: 'dead' })) await store.complete(lease);
  const resumed = new RolloutCollector({ ...options, resumed: true });
  expect(await resumed.enqueue(withResources('a'))).toEqual(['run.done']);
  expect(await resumed.enqueue(withResources('b'))).toEqual(['run.done.r1']);
  expect(await store.getRollout('run.done.r1')).toMatchObject({ resourcesId: 'run.b' });
  expect(await resumed.enqueue(planned.slice(0, 1))).toEqual(['run.done']);
  await store.close();
});

it('runs again what ran on another input than it is now to have, as when a step takes another task in its place', async () => {
  const store = new MemoryStore();
  const options = { store, runId: 'run', retry: {}, attemptTimeoutMs: 600_000, policies: [] };
  const on = (task: Readonly<Record<string, number>>): readonly PlannedRollout[] => [{ ...planned[0]!, input: task }];
  await new RolloutCollector({ ...options, resumed: false }).enqueue(on({ a: 1, b: -0 }));
  for (const { lease } of await store.claim({ workerId: 'dead' })) await store.complete(lease);
  const resumed = new RolloutCollector({ ...options, resumed: true });
  expect(await resumed.enqueue(on({ b: 0, a: 1 }))).toEqual(['run.done']);
  expect(await resumed.enqueue(on({ a: 2 }))).toEqual(['run.done.r1']);
  expect(await resumed.enqueue(on({ a: 1, b: -0 }))).toEqual(['run.done']);
  await store.close();
});
