import type { Claim, LightningStore } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { rewardSpan, sampleSpan } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

const workers: number = 64;

/** Tests of many writers at once: a recorded history of claims must be one that a single queue could have given. */
export function describeConcurrency(open: OpenStore): void {
  describe('concurrency', () => {
    testStore('hands each attempt to one of 64 workers and loses no rollout', open, async ({ store, openPeer }) => {
      const stores = openPeer === undefined ? [store] : [store, await openPeer(), await openPeer()];
      const ids = Array.from({ length: 1_000 }, (_, index) => `r${index}`);
      await store.enqueue(ids.map((rolloutId) => ({ rolloutId, input: 1, retry: { maxAttempts: 2 } })));
      const history: Claim[] = [];
      await Promise.all(
        Array.from({ length: workers }, (_, index) =>
          work(stores[index % stores.length] as LightningStore, index, history),
        ),
      );
      checkHistory(history);
      const { items } = await store.queryRollouts({ limit: 10_000 });
      expect(items.filter((rollout) => rollout.status !== 'succeeded')).toEqual([]);
      expect(items.map((rollout) => rollout.rolloutId)).toEqual(ids);
      expect((await store.statistics()).attempts).toMatchObject({ succeeded: 1_000, failed: history.length - 1_000 });
    });

    testStore('keeps every span of writers that append to one attempt at once', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1 }]);
      const [claim] = await store.claim({ workerId: 'w' });
      const lease = (claim as Claim).lease;
      const replies = await Promise.all(
        Array.from({ length: 200 }, (_, index) =>
          store.appendSpans(lease, [sampleSpan(2 * index + 1), sampleSpan(2 * index + 2)]),
        ),
      );
      const sequenceIds = replies.flat().sort((left, right) => left - right);
      expect(sequenceIds).toEqual(Array.from({ length: 400 }, (_, index) => index + 1));
      for (const [first, second] of replies) expect(second).toBe((first as number) + 1);
    });

    testStore('lets one end win when many are reported at once', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1 }]);
      const [claim] = await store.claim({ workerId: 'w' });
      const lease = (claim as Claim).lease;
      const ends = await Promise.allSettled([
        store.fail(lease, { code: 'x', message: 'y' }),
        store.complete(lease),
        store.cancel('a'),
        store.addReward('a', rewardSpan(1, 1)),
        store.complete(lease),
      ]);
      const { status } = (await store.getRollout('a')) ?? {};
      const statuses = ends.flatMap((end) =>
        end.status === 'fulfilled' && typeof end.value === 'object' ? [end.value.status] : [],
      );
      expect(new Set(statuses)).toEqual(new Set([status]));
      expect(await store.querySpans({ rolloutIds: ['a'] })).toHaveLength(1);
    });

    testStore('shares work and news with another opening of the same data', open, async ({ store, openPeer }) => {
      if (openPeer === undefined) return;
      const peer = await openPeer();
      const hasWork = peer.waitForWork({});
      const ended = store.enqueue([{ rolloutId: 'a', input: 1 }]).then(() => store.waitFor(['a']));
      await hasWork;
      const [claim] = await peer.claim({ workerId: 'peer' });
      await peer.complete((claim as Claim).lease);
      expect((await ended)[0]?.status).toBe('succeeded');
    });
  });
}

/** Runs one worker, which claims a few at a time until nothing is left; every seventh first attempt fails and is queued again. */
async function work(store: LightningStore, index: number, history: Claim[]): Promise<void> {
  for (;;) {
    const claims = await store.claim({ workerId: `worker-${index}`, limit: 1 + (index % 3) });
    history.push(...claims);
    for (const claim of claims) {
      const isFirst = claim.attempt.attemptNumber === 1;
      if (isFirst && history.length % 7 === 0) await store.fail(claim.lease, { code: 'x', message: 'y' });
      else await store.complete(claim.lease);
    }
    if (claims.length > 0) continue;
    const { rollouts } = await store.statistics();
    if (rollouts.queuing + rollouts.requeuing + rollouts.preparing + rollouts.running === 0) return;
    await store.waitForWork({}, { timeoutMs: 50 });
  }
}

/** Expects that no attempt and no token occurs twice, and that the attempts of a rollout are numbered without a gap. */
function checkHistory(history: readonly Claim[]): void {
  const attempts = history.map(({ rollout, attempt }) => `${rollout.rolloutId} ${attempt.attemptNumber}`);
  expect(new Set(attempts).size).toBe(history.length);
  expect(new Set(history.map(({ lease }) => lease.fencingToken)).size).toBe(history.length);
  const tokens = new Map(history.map(({ lease }, index) => [attempts[index], lease.fencingToken]));
  for (const {
    rollout: { rolloutId },
    attempt: { attemptNumber },
    lease,
  } of history) {
    if (attemptNumber > 1) expect(tokens.get(`${rolloutId} ${attemptNumber - 1}`)).toBeLessThan(lease.fencingToken);
  }
}
