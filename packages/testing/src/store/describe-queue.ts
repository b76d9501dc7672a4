import type { Rollout } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

/** Tests of enqueueing, querying and claiming. */
export function describeQueue(open: OpenStore): void {
  describe('queue', () => {
    testStore('fills in every default and returns what it stored', open, async ({ store, now }) => {
      const [rollout] = await store.enqueue([{ input: { q: 1 } }]);
      expect(rollout).toEqual({
        rolloutId: expect.stringMatching(/^ro-/),
        input: { q: 1 },
        mode: 'train',
        status: 'queuing',
        queue: 'default',
        priority: 0,
        retry: { maxAttempts: 1, retryOn: ['failed', 'timeout', 'unresponsive'], backoffMs: 0, maxBackoffMs: 60_000 },
        timeouts: {},
        metadata: {},
        attemptCount: 0,
        createdAtMs: now(),
        availableAtMs: now(),
      });
      expect(await store.getRollout(rollout?.rolloutId ?? '')).toEqual(rollout);
      expect(await store.getRollout('absent')).toBeUndefined();
    });

    testStore('keeps every field of a request', open, async ({ store }) => {
      await store.putResources('weights', {
        policy: { type: 'llm', model: 'm', policyVersion: 3, sampling: { temperature: 0 } },
      });
      const request = {
        workerTags: ['gpu'],
        rolloutId: 'r.1:a_b-c',
        input: ['x', null, true, -1.5, { deep: 'é😀\ud800 \0' }],
        mode: 'val',
        groupId: 'g',
        runId: 'run',
        queue: 'fast',
        priority: -3,
        resourcesId: 'weights',
        retry: { maxAttempts: 4, retryOn: ['timeout'], backoffMs: 10, maxBackoffMs: 20 },
        timeouts: { queueMs: 1_000, startToFinishMs: 2_000, noProgressMs: 3_000, totalMs: 4_000 },
        metadata: { tag: [1] },
      } as const;
      await store.enqueue([request]);
      expect(await store.getRollout('r.1:a_b-c')).toMatchObject(request);
    });

    testStore('returns the stored rollout for a repeated id, also within one call', open, async ({ store }) => {
      const twice = await store.enqueue([
        { rolloutId: 'a', input: { x: 1, y: 2 } },
        { rolloutId: 'a', input: { y: 2, x: 1 } },
      ]);
      expect(twice[1]).toEqual(twice[0]);
      await claimOne(store);
      const [again] = await store.enqueue([{ rolloutId: 'a', input: { x: 1, y: 2 } }]);
      expect(again?.status).toBe('preparing');
      expect((await store.queryRollouts()).items).toHaveLength(1);
    });

    testStore(
      'refuses an id that is there with another task, and adds nothing of that call',
      open,
      async ({ store }) => {
        await store.enqueue([{ rolloutId: 'a', input: 1 }]);
        await expectError(
          store.enqueue([
            { rolloutId: 'b', input: 1 },
            { rolloutId: 'a', input: 2 },
          ]),
          'store-conflict',
          /a .*input/,
        );
        await expectError(store.enqueue([{ rolloutId: 'a', input: 1, runId: 'other' }]), 'store-conflict', /runId/);
        expect(await store.getRollout('b')).toBeUndefined();
      },
    );

    testStore(
      'gives a rollout the latest resources unless it names some, which must exist',
      open,
      async ({ store }) => {
        await store.putResources('one', {});
        await store.putResources('two', {});
        const [latest, named] = await store.enqueue([{ input: 1 }, { input: 1, resourcesId: 'one' }]);
        expect([latest?.resourcesId, named?.resourcesId]).toEqual(['two', 'one']);
        await expectError(store.enqueue([{ input: 1, resourcesId: 'absent' }]), 'store-not-found', /absent/);
      },
    );

    testStore('claims by priority, then by age, and only what was asked for', open, async ({ store }) => {
      await store.enqueue([
        { rolloutId: 'old', input: 0 },
        { rolloutId: 'high', input: 0, priority: 5 },
        { rolloutId: 'val', input: 0, mode: 'val', runId: 'r' },
        { rolloutId: 'other', input: 0, queue: 'other', priority: 1 },
        { rolloutId: 'young', input: 0 },
      ]);
      const ids = async (request: object): Promise<string[]> =>
        (await store.claim({ workerId: 'w', limit: 10, ...request })).map((claim) => claim.rollout.rolloutId);
      expect(await ids({ queues: ['nowhere'] })).toEqual([]);
      expect(await ids({ runId: 'r', modes: ['train'] })).toEqual([]);
      expect(await ids({ runId: 'r', modes: ['val', 'test'] })).toEqual(['val']);
      expect(await ids({ limit: 2, queues: ['default', 'other'] })).toEqual(['high', 'other']);
      expect(await ids({})).toEqual(['old', 'young']);
      expect(await ids({})).toEqual([]);
    });

    testStore('leaves a rollout to the workers that have its tags', open, async ({ store }) => {
      await store.enqueue([
        { rolloutId: 'both', input: 0, workerTags: ['gpu', 'docker'] },
        { rolloutId: 'gpu', input: 0, workerTags: ['gpu'] },
        { rolloutId: 'any', input: 0 },
      ]);
      const ids = async (workerTags: readonly string[]): Promise<string[]> =>
        (await store.claim({ workerId: 'w', limit: 10, workerTags })).map((claim) => claim.rollout.rolloutId);
      expect(await ids([])).toEqual(['any']);
      expect(await ids(['docker'])).toEqual([]);
      expect(await ids(['gpu', 'other'])).toEqual(['gpu']);
      await store.waitForWork({ workerTags: ['docker', 'gpu'] });
      expect(await ids(['docker', 'gpu'])).toEqual(['both']);
    });

    testStore('makes rollout, attempt and lease in one step', open, async ({ store, now }) => {
      const first = await start(store, 'a');
      const second = await start(store, 'b');
      expect(first.rollout).toMatchObject({ rolloutId: 'a', status: 'preparing', attemptCount: 1 });
      expect(first.attempt).toEqual({
        attemptId: expect.stringMatching(/^at-/),
        rolloutId: 'a',
        attemptNumber: 1,
        status: 'preparing',
        workerId: 'worker-1',
        startedAtMs: now(),
        lastProgressAtMs: now(),
        leaseExpiresAtMs: now() + 30_000,
      });
      expect(first.lease).toEqual({
        rolloutId: 'a',
        attemptId: first.attempt.attemptId,
        fencingToken: expect.any(Number),
      });
      expect(second.lease.fencingToken).toBeGreaterThan(first.lease.fencingToken);
      expect(await store.queryAttempts('a')).toEqual([first.attempt]);
      expect(await store.queryAttempts('absent')).toEqual([]);
    });

    testStore('pages through a query in the order of enqueueing', open, async ({ store }) => {
      await store.enqueue(
        Array.from({ length: 7 }, (_, index) => ({
          rolloutId: `r${index}`,
          input: index,
          runId: index === 3 ? 'x' : 'run',
        })),
      );
      for (const order of ['asc', 'desc'] as const) {
        const seen: string[] = [];
        for (let cursor: string | undefined, isFirst = true; isFirst || cursor !== undefined; isFirst = false) {
          const page = await store.queryRollouts({
            runId: 'run',
            order,
            limit: 2,
            ...(cursor === undefined ? {} : { cursor }),
          });
          seen.push(...page.items.map((rollout) => rollout.rolloutId));
          cursor = page.nextCursor;
        }
        const expected = ['r0', 'r1', 'r2', 'r4', 'r5', 'r6'];
        expect(seen).toEqual(order === 'asc' ? expected : expected.reverse());
      }
    });

    testStore('filters a query by every field', open, async ({ store }) => {
      await store.enqueue([
        { rolloutId: 'a', input: 0, mode: 'val', groupId: 'g' },
        { rolloutId: 'b', input: 0, groupId: 'g' },
        { rolloutId: 'c', input: 0 },
      ]);
      await store.cancel('c');
      const ids = async (query: object): Promise<string[]> =>
        (await store.queryRollouts(query)).items.map((rollout) => rollout.rolloutId);
      expect(await ids({ statuses: ['cancelled'] })).toEqual(['c']);
      expect(await ids({ modes: ['val'], groupId: 'g' })).toEqual(['a']);
      expect(await ids({ rolloutIds: ['c', 'a', 'absent'] })).toEqual(['a', 'c']);
      expect(await ids({ rolloutIds: [] })).toEqual([]);
      expect(await ids({ statuses: [] })).toEqual([]);
    });

    testStore('finds what ended since a time, in either order and page by page', open, async ({ store, advance }) => {
      await store.enqueue(['a', 'b', 'c', 'd'].map((rolloutId) => ({ rolloutId, input: 0 })));
      const endedAtMs: number[] = [];
      for (const rolloutId of ['d', 'b', 'a']) {
        endedAtMs.push((await store.cancel(rolloutId)).endedAtMs as number);
        advance(1_000);
      }
      const ids = async (query: object): Promise<string[]> =>
        (await store.queryRollouts(query)).items.map((rollout) => rollout.rolloutId);
      const [first, second, last] = endedAtMs as [number, number, number];
      expect(await ids({ endedSinceMs: 0 })).toEqual(['a', 'b', 'd']);
      expect(await ids({ endedSinceMs: second })).toEqual(['a', 'b']);
      expect(await ids({ endedSinceMs: first + 1, order: 'desc' })).toEqual(['b', 'a']);
      expect(await ids({ endedSinceMs: first, statuses: ['succeeded'] })).toEqual([]);
      expect(await ids({ endedSinceMs: last + 1 })).toEqual([]);
      const page = await store.queryRollouts({ endedSinceMs: first, limit: 2 });
      expect(page.items.map(({ rolloutId }) => rolloutId)).toEqual(['a', 'b']);
      expect(await ids({ endedSinceMs: first, limit: 2, cursor: page.nextCursor })).toEqual(['d']);
      await expect(store.queryRollouts({ endedSinceMs: Number.NaN })).rejects.toMatchObject({ code: 'store-invalid' });
    });

    testStore('keeps what it stored apart from what callers hold', open, async ({ store }) => {
      const input = { list: [1] };
      const change = (rollout: Rollout | undefined): void => {
        if (rollout !== undefined) (rollout.input as { list: number[] }).list.push(2);
      };
      const [enqueued] = await store.enqueue([{ rolloutId: 'a', input, retry: { maxAttempts: 2 } }]);
      input.list.push(2);
      change(enqueued);
      change(await store.getRollout('a'));
      const { rollout, lease } = await claimOne(store);
      change(rollout);
      change(await store.fail(lease, { code: 'x', message: 'y' }));
      expect((await claimOne(store)).rollout.input).toEqual({ list: [1] });
      expect((await store.getRollout('a'))?.input).toEqual({ list: [1] });
    });
  });
}
