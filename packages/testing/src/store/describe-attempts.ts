import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, rewardSpan, sampleSpan, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

const failure = { code: 'agent-failed', message: 'boom' };

/** Tests of leases, ends, retries and cancellation. */
export function describeAttempts(open: OpenStore): void {
  describe('attempts', () => {
    testStore(
      'runs from the first sign of life, and a heartbeat extends the lease by its own length',
      open,
      async ({ store, now, advance }) => {
        const { lease } = await start(store, 'a', { leaseMs: 1_000 });
        advance(600);
        expect(await store.heartbeat(lease)).toEqual({ state: 'running', leaseExpiresAtMs: now() + 1_000 });
        expect((await store.getRollout('a'))?.status).toBe('running');
        advance(900);
        await store.appendSpans(lease, [sampleSpan(1)]);
        const [attempt] = await store.queryAttempts('a');
        expect(attempt).toMatchObject({ status: 'running', lastProgressAtMs: now(), leaseExpiresAtMs: now() + 100 });
      },
    );

    testStore('completes once, however often it is told', open, async ({ store, now, advance }) => {
      const { lease } = await start(store, 'a');
      const done = await store.complete(lease);
      expect(done).toMatchObject({ status: 'succeeded', endedAtMs: now() });
      advance(5);
      expect(await store.complete(lease)).toEqual(done);
      await expectError(store.fail(lease, failure), 'store-fenced', /succeeded/);
      await expectError(store.heartbeat(lease), 'store-fenced');
      await expectError(store.appendSpans(lease, [sampleSpan(1)]), 'store-fenced');
      expect(await store.claim({ workerId: 'w' })).toEqual([]);
    });

    testStore('gives the lease of a live attempt, and none once it is over', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      expect(await store.getLease('a', lease.attemptId)).toEqual(lease);
      expect(await store.getLease('a', 'nobody')).toBeUndefined();
      expect(await store.getLease('b', lease.attemptId)).toBeUndefined();
      await store.complete(lease);
      expect(await store.getLease('a', lease.attemptId)).toBeUndefined();
      await expectError(store.getLease('', lease.attemptId), 'store-invalid', /rolloutId/);
    });

    testStore('fails for good when the retry policy does not cover the end', open, async ({ store, now }) => {
      const { lease } = await start(store, 'a');
      const failed = await store.fail(lease, failure);
      expect(failed).toMatchObject({ status: 'failed', failure, endedAtMs: now() });
      expect(await store.fail(lease, failure)).toEqual(failed);
      await expectError(store.complete(lease), 'store-fenced', /failed/);
      expect((await store.queryAttempts('a'))[0]).toMatchObject({ status: 'failed', failure, endedAtMs: now() });
    });

    testStore('queues a retry after a back-off that doubles up to its limit', open, async ({ store, now, advance }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1, retry: { maxAttempts: 4, backoffMs: 100, maxBackoffMs: 300 } }]);
      for (const waitMs of [100, 200, 300]) {
        const { lease } = await claimOne(store);
        expect(await store.fail(lease, failure)).toMatchObject({
          status: 'requeuing',
          failure,
          availableAtMs: now() + waitMs,
        });
        advance(waitMs - 1);
        expect(await store.claim({ workerId: 'w' })).toEqual([]);
        advance(1);
      }
      const last = await claimOne(store);
      expect(last).toMatchObject({ attempt: { attemptNumber: 4 }, rollout: { attemptCount: 4 } });
      expect(last.rollout.failure).toBeUndefined();
      expect((await store.fail(last.lease, failure)).status).toBe('failed');
      expect((await store.queryAttempts('a')).map((attempt) => attempt.attemptNumber)).toEqual([1, 2, 3, 4]);
    });

    testStore('retries only the ends that the policy names', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1, retry: { maxAttempts: 3, retryOn: ['timeout'] } }]);
      const first = await claimOne(store);
      expect((await store.fail(first.lease, { ...failure, status: 'timeout' })).status).toBe('requeuing');
      const second = await claimOne(store);
      expect((await store.fail(second.lease, failure)).status).toBe('failed');
      const other = await start(store, 'b');
      expect((await store.fail(other.lease, { ...failure, status: 'cancelled' })).status).toBe('cancelled');
    });

    testStore('retries only the failure codes that the policy names', open, async ({ store }) => {
      const retry = { maxAttempts: 3, retryCodes: ['ECONNREFUSED', 'lease-expired'] };
      const [queued] = await store.enqueue([{ rolloutId: 'a', input: 1, retry }]);
      expect(queued?.retry).toMatchObject(retry);
      const first = await claimOne(store);
      expect((await store.fail(first.lease, { ...failure, code: 'ECONNREFUSED' })).status).toBe('requeuing');
      const second = await claimOne(store);
      expect(second.rollout.retry.retryCodes).toEqual(retry.retryCodes);
      expect((await store.fail(second.lease, { ...failure, code: 'GraphRecursionError' })).status).toBe('failed');
    });

    testStore('refuses every late write of an attempt that was replaced', open, async ({ store }) => {
      const zombie = await start(store, 'a', { maxAttempts: 3 });
      await store.fail(zombie.lease, failure);
      const current = await claimOne(store, 'worker-2');
      const writes = [
        store.heartbeat(zombie.lease),
        store.complete(zombie.lease),
        store.fail(zombie.lease, { ...failure, message: 'again' }),
        store.appendSpans(zombie.lease, [rewardSpan(1, 1)]),
      ];
      for (const write of writes) await expectError(write, 'store-fenced', /a/);
      await expectError(store.complete({ ...current.lease, fencingToken: zombie.lease.fencingToken }), 'store-fenced');
      expect((await store.complete(current.lease)).status).toBe('succeeded');
      expect(await store.querySpans({ rolloutIds: ['a'] })).toEqual([]);
    });

    testStore('names what a lease does not find', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      await expectError(store.heartbeat({ ...lease, rolloutId: 'absent' }), 'store-not-found', /rollout "absent"/);
      await expectError(store.complete({ ...lease, attemptId: 'absent' }), 'store-not-found', /attempt "absent"/);
    });

    testStore(
      'cancels a queued, a running and a waiting rollout; the runner learns of it at its heartbeat',
      open,
      async ({ store, now }) => {
        await store.enqueue([{ rolloutId: 'queued', input: 1, queue: 'later' }]);
        expect(await store.cancel('queued', 'not needed')).toMatchObject({
          status: 'cancelled',
          failure: { code: 'cancelled', message: 'not needed' },
          endedAtMs: now(),
        });
        expect(await store.claim({ workerId: 'w', queues: ['later'] })).toEqual([]);

        const { lease } = await start(store, 'running', { maxAttempts: 5 });
        const cancelled = await store.cancel('running');
        expect(cancelled.status).toBe('cancelled');
        expect((await store.heartbeat(lease)).state).toBe('cancelled');
        await expectError(store.complete(lease), 'store-fenced', /cancelled/);
        await expectError(store.appendSpans(lease, [sampleSpan(1)]), 'store-fenced', /cancelled/);
        expect(await store.cancel('running', 'again')).toEqual(cancelled);

        const waiting = await start(store, 'waiting', { maxAttempts: 2 });
        await store.fail(waiting.lease, failure);
        expect((await store.cancel('waiting')).status).toBe('cancelled');
        expect(await store.claim({ workerId: 'w' })).toEqual([]);
        await expectError(store.cancel('absent'), 'store-not-found', /absent/);
      },
    );

    testStore('lists workers with the leases that they hold', open, async ({ store, now, advance }) => {
      const first = await start(store, 'a');
      const asked = now();
      await store.claim({ workerId: 'idle' });
      advance(10);
      await store.heartbeat(first.lease);
      expect(
        [...(await store.queryWorkers())].sort((left, right) => left.workerId.localeCompare(right.workerId)),
      ).toEqual([
        { workerId: 'idle', lastSeenAtMs: asked, activeAttempts: 0 },
        { workerId: 'worker-1', lastSeenAtMs: now(), activeAttempts: 1 },
      ]);
      await store.complete(first.lease);
      expect((await store.queryWorkers()).every((worker) => worker.activeAttempts === 0)).toBe(true);
    });
  });
}
