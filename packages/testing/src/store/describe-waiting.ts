import type { StoreEvent } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

/** Tests of waiting for work, for ends, and for events. Nothing here sleeps: each wait ends because of what the test does. */
export function describeWaiting(open: OpenStore): void {
  describe('waiting', () => {
    testStore('wakes a worker when work of its kind arrives', open, async ({ store }) => {
      const woken: string[] = [];
      const train = store.waitForWork({ modes: ['train'] }).then(() => woken.push('train'));
      const val = store.waitForWork({ modes: ['val'] }).then(() => woken.push('val'));
      await store.enqueue([{ input: 1, mode: 'val' }]);
      await val;
      expect(woken).toEqual(['val']);
      await store.enqueue([{ input: 1 }]);
      await train;
      await store.waitForWork({});
    });

    testStore('ends a wait for work at its time limit and at its signal', open, async ({ store }) => {
      await store.waitForWork({}, { timeoutMs: 0 });
      await store.waitForWork({}, { timeoutMs: 1 });
      const stop = new AbortController();
      const waiting = store.waitForWork({}, { signal: stop.signal });
      stop.abort();
      await waiting;
      await store.waitForWork({}, { signal: stop.signal });
    });

    testStore(
      'does not wake a worker for a rollout that is too old to be claimed',
      open,
      async ({ store, advance }) => {
        await store.enqueue([{ input: 1, timeouts: { queueMs: 10 } }]);
        advance(10);
        let isWoken = false;
        const waiting = store.waitForWork({}).then(() => (isWoken = true));
        await store.waitForWork({}, { timeoutMs: 1 });
        await store.statistics();
        expect(isWoken).toBe(false);
        await store.enqueue([{ input: 2 }]);
        await waiting;
      },
    );

    testStore('wakes a worker for a retry', open, async ({ store }) => {
      const { lease } = await start(store, 'a', { maxAttempts: 2 });
      const waiting = store.waitForWork({});
      await store.fail(lease, { code: 'x', message: 'y' });
      await waiting;
      expect((await claimOne(store)).attempt.attemptNumber).toBe(2);
    });

    testStore('waits for all of the rollouts and returns them in the order given', open, async ({ store }) => {
      const first = await start(store, 'a');
      const second = await start(store, 'b');
      await store.enqueue([{ rolloutId: 'c', input: 1 }]);
      const waiting = store.waitFor(['c', 'a', 'b', 'a']);
      await store.complete(second.lease);
      await store.cancel('c');
      await store.fail(first.lease, { code: 'x', message: 'y' });
      expect((await waiting).map((rollout) => `${rollout.rolloutId} ${rollout.status}`)).toEqual([
        'c cancelled',
        'a failed',
        'b succeeded',
        'a failed',
      ]);
      expect(await store.waitFor(['b'], { timeoutMs: 0 })).toHaveLength(1);
      expect(await store.waitFor([])).toEqual([]);
    });

    testStore('does not take a retry for an end', open, async ({ store }) => {
      const { lease } = await start(store, 'a', { maxAttempts: 2 });
      const waiting = store.waitFor(['a']);
      await store.fail(lease, { code: 'x', message: 'y' });
      await store.complete((await claimOne(store)).lease);
      expect((await waiting)[0]?.status).toBe('succeeded');
    });

    testStore('rejects a wait that is over, cancelled, or for what is not there', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1 }]);
      await expectError(store.waitFor(['a'], { timeoutMs: 1 }), 'timed-out', /1 of 1 .*a/);
      await expectError(store.waitFor(['a'], { signal: AbortSignal.abort() }), 'cancelled');
      await expectError(store.waitFor(['a', 'absent']), 'store-not-found', /absent/);
      const waiting = expectError(store.waitFor(['a']), 'store-closed');
      await store.close();
      await waiting;
    });

    testStore('wakes a hundred waiters, each for its own rollout', open, async ({ store }) => {
      const ids = Array.from({ length: 100 }, (_, index) => `r${index}`);
      await store.enqueue(ids.map((rolloutId) => ({ rolloutId, input: 1 })));
      const waits = ids.map(async (rolloutId) => (await store.waitFor([rolloutId]))[0]?.rolloutId);
      for (const { lease } of await store.claim({ workerId: 'w', limit: 100 })) await store.complete(lease);
      expect(await Promise.all(waits)).toEqual(ids);
    });

    testStore('tells every change in order, and goes on from a cursor', open, async ({ store }) => {
      const live = takeEvents(store.subscribe(), 5);
      const { lease } = await start(store, 'a', { maxAttempts: 2 });
      await store.heartbeat(lease);
      await store.putResources('weights', {});
      await store.complete(lease);
      const seen = (await live).map(({ type, id, status }) => `${type} ${id} ${status ?? ''}`);
      expect(seen).toEqual([
        'rollout a queuing',
        'rollout a preparing',
        'rollout a running',
        'resources weights ',
        'rollout a succeeded',
      ]);
      const third = (await live)[2] as StoreEvent;
      expect(await takeEvents(store.subscribe({ cursor: third.cursor }), 2)).toEqual((await live).slice(3));
    });

    testStore('subscribes from the moment of the call, and ends with its signal', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'before', input: 1 }]);
      const stop = new AbortController();
      const events = store.subscribe({ signal: stop.signal })[Symbol.asyncIterator]();
      await store.enqueue([{ rolloutId: 'after', input: 1 }]);
      expect((await events.next()).value).toMatchObject({ id: 'after' });
      const next = events.next();
      stop.abort();
      expect((await next).done).toBe(true);
      await expectError(takeEvents(store.subscribe({ cursor: 'not a cursor' }), 1), 'store-invalid', /cursor/);
    });
  });
}

async function takeEvents(events: AsyncIterable<StoreEvent>, count: number): Promise<readonly StoreEvent[]> {
  const taken: StoreEvent[] = [];
  for await (const event of events) {
    taken.push(event);
    if (taken.length === count) break;
  }
  return taken;
}
