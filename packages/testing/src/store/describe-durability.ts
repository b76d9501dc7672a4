import { describe, expect } from 'vitest';
import { claimOne, rewardSpan, sampleSpan, sampleTokens, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

/** Tests that a durable store keeps its data when it is closed and opened again; skipped for stores that cannot be reopened. */
export function describeDurability(open: OpenStore): void {
  describe('durability', () => {
    testStore('has everything after it is opened again, and leases go on', open, async ({ store, reopen, advance }) => {
      if (reopen === undefined) return;
      await store.putResources('weights', { p: { type: 'json', value: 1 } });
      const { lease, rollout } = await start(store, 'a', { maxAttempts: 2, leaseMs: 1_000 });
      await store.appendSpans(lease, [
        sampleSpan(1, { kind: 'model_call', tokens: sampleTokens(5, 5) }),
        rewardSpan(2, 1),
      ]);
      const spans = await store.querySpans({ rolloutIds: ['a'], includeTokens: true });
      const statistics = await store.statistics();

      const again = await reopen();
      expect(await again.querySpans({ rolloutIds: ['a'], includeTokens: true })).toEqual(spans);
      expect(await again.statistics()).toEqual(statistics);
      expect(await again.getRollout('a')).toEqual({ ...rollout, status: 'running' });
      expect((await again.heartbeat(lease)).state).toBe('running');
      advance(1_000);
      expect(await again.runWatchdog()).toBe(1);
      const retry = await claimOne(again);
      expect(retry.lease.fencingToken).toBeGreaterThan(lease.fencingToken);
      expect(await again.appendSpans(retry.lease, [sampleSpan(1)])).toEqual([3]);
      expect((await again.putResources('weights', {})).version).toBe(2);
    });

    testStore('goes on with a subscription from before', open, async ({ store, reopen }) => {
      if (reopen === undefined) return;
      const events = store.subscribe()[Symbol.asyncIterator]();
      await store.enqueue([
        { rolloutId: 'a', input: 1 },
        { rolloutId: 'b', input: 1 },
      ]);
      const first = await events.next();
      const again = await reopen();
      const { cursor } = first.value as { cursor: string };
      for await (const event of again.subscribe({ cursor })) {
        expect(event).toMatchObject({ id: 'b', status: 'queuing' });
        break;
      }
    });
  });
}
