import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, sampleSpan } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

/** Tests of leases that run out and of the four clocks, at the exact millisecond. */
export function describeWatchdog(open: OpenStore): void {
  describe('watchdog', () => {
    testStore(
      'ends an attempt whose lease ran out, and queues its rollout once',
      open,
      async ({ store, advance, now }) => {
        await store.enqueue([{ rolloutId: 'a', input: 1, retry: { maxAttempts: 2 } }]);
        const { lease } = await claimOne(store, 'worker-1', 1_000);
        advance(999);
        expect(await store.runWatchdog()).toBe(0);
        advance(1);
        expect(await store.runWatchdog()).toBe(1);
        expect(await store.runWatchdog()).toBe(0);
        expect(await store.getRollout('a')).toMatchObject({ status: 'requeuing', failure: { code: 'lease-expired' } });
        expect((await store.queryAttempts('a'))[0]).toMatchObject({ status: 'unresponsive', endedAtMs: now() });
        await expectError(store.heartbeat(lease), 'store-fenced', /unresponsive/);
        expect(await store.claim({ workerId: 'w', limit: 10 })).toHaveLength(1);
        advance(30_000);
        expect(await store.runWatchdog()).toBe(2);
        expect((await store.getRollout('a'))?.status).toBe('failed');
      },
    );

    testStore('lets a late heartbeat save a lease that nobody took', open, async ({ store, advance }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1 }]);
      const { lease } = await claimOne(store, 'worker-1', 1_000);
      advance(5_000);
      expect((await store.heartbeat(lease)).state).toBe('running');
      expect(await store.runWatchdog()).toBe(0);
    });

    testStore(
      'fails a rollout that nobody claimed in its queue time, and never starts it',
      open,
      async ({ store, advance }) => {
        await store.enqueue([
          { rolloutId: 'late', input: 1, timeouts: { queueMs: 100 } },
          { rolloutId: 'claimed', input: 1, timeouts: { queueMs: 100 }, priority: 1 },
        ]);
        const { lease } = await claimOne(store);
        advance(100);
        expect(await store.claim({ workerId: 'w' })).toEqual([]);
        expect(await store.runWatchdog()).toBe(1);
        expect(await store.getRollout('late')).toMatchObject({
          status: 'failed',
          failure: { code: 'timed-out', message: expect.stringContaining('queueMs') },
        });
        expect((await store.complete(lease)).status).toBe('succeeded');
      },
    );

    testStore('times out an attempt that runs too long, heartbeats or not', open, async ({ store, advance }) => {
      await store.enqueue([
        { rolloutId: 'a', input: 1, retry: { maxAttempts: 2 }, timeouts: { startToFinishMs: 1_000 } },
      ]);
      const { lease } = await claimOne(store);
      advance(999);
      await store.heartbeat(lease);
      expect(await store.runWatchdog()).toBe(0);
      advance(1);
      expect(await store.runWatchdog()).toBe(1);
      expect((await store.queryAttempts('a'))[0]).toMatchObject({
        status: 'timeout',
        failure: { message: expect.stringContaining('startToFinishMs') },
      });
      expect((await store.getRollout('a'))?.status).toBe('requeuing');
    });

    testStore('ends an attempt without progress; a span is progress', open, async ({ store, advance }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1, timeouts: { noProgressMs: 100 } }]);
      const { lease } = await claimOne(store);
      advance(99);
      await store.appendSpans(lease, [sampleSpan(1)]);
      advance(99);
      expect(await store.runWatchdog()).toBe(0);
      advance(1);
      expect(await store.runWatchdog()).toBe(2);
      expect((await store.queryAttempts('a'))[0]).toMatchObject({
        status: 'unresponsive',
        failure: { message: expect.stringContaining('noProgressMs') },
      });
    });

    testStore(
      'fails a rollout when its total time is over, running or waiting, and does not retry it',
      open,
      async ({ store, advance }) => {
        const timeouts = { totalMs: 1_000 };
        await store.enqueue([
          { rolloutId: 'running', input: 1, timeouts, retry: { maxAttempts: 9 } },
          { rolloutId: 'waiting', input: 1, timeouts, retry: { maxAttempts: 9, backoffMs: 5_000 } },
        ]);
        await claimOne(store);
        await store.fail((await claimOne(store)).lease, { code: 'x', message: 'y' });
        advance(1_000);
        expect(await store.runWatchdog()).toBe(3);
        for (const rolloutId of ['running', 'waiting']) {
          expect(await store.getRollout(rolloutId)).toMatchObject({
            status: 'failed',
            failure: { message: expect.stringContaining('totalMs') },
          });
        }
        expect((await store.queryAttempts('running'))[0]?.status).toBe('timeout');
      },
    );

    testStore('leaves final rollouts alone for ever', open, async ({ store, advance }) => {
      await store.enqueue([
        { rolloutId: 'a', input: 1, timeouts: { totalMs: 10, queueMs: 10, noProgressMs: 10, startToFinishMs: 10 } },
      ]);
      await store.complete((await claimOne(store)).lease);
      advance(100_000);
      expect(await store.runWatchdog()).toBe(0);
      expect((await store.getRollout('a'))?.status).toBe('succeeded');
    });

    testStore('sweeps more than one write can hold', open, async ({ store, advance }) => {
      await store.enqueue(Array.from({ length: 501 }, () => ({ input: 1, timeouts: { queueMs: 1 } })));
      advance(1);
      expect(await store.runWatchdog()).toBe(501);
      expect((await store.statistics()).rollouts.failed).toBe(501);
    });
  });
}
