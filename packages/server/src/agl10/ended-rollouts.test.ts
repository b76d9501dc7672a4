import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { StoreError } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { EndedRollouts } from './ended-rollouts.ts';

const keepEndedMs = 600_000;

/** A store with a clock that tests set. */
function createStore(): { readonly store: MemoryStore; readonly clock: { nowMs: number } } {
  const clock = { nowMs: 1_800_000_000_000 };
  return { clock, store: new MemoryStore({ now: () => clock.nowMs, watchdogIntervalMs: 0, keepEndedMs }) };
}

it('reads no more when many ended long ago', async () => {
  const { store, clock } = createStore();
  const ids = Array.from({ length: 2_000 }, (_, index) => `r${index}`);
  await store.enqueue([...ids, 'late', 'later'].map((rolloutId) => ({ rolloutId, input: 0 })));
  for (const id of ids) await store.cancel(id);
  clock.nowMs += 120_000;
  await store.cancel('late');
  const ended = new EndedRollouts(store, () => true);
  const { nextPlace } = await ended.page(0, 10_000);
  await store.cancel('later');
  const query = vi.spyOn(store, 'queryRollouts');
  expect(await ended.page(nextPlace, 10)).toMatchObject({ rollouts: [{ rolloutId: 'later' }], total: 2_002 });
  const pages = await Promise.all(
    query.mock.results.map(({ value }) => value as ReturnType<typeof store.queryRollouts>),
  );
  // Those of the last minute, some of the oldest, to see whether they are still there, and the page.
  expect(pages.reduce((count, { items }) => count + items.length, 0)).toBeLessThan(110);
  await store.close();
});

it('shows a client that goes on where it was each rollout once, whatever ends, is deleted or waits', async () => {
  const step = fc.oneof(
    fc.record({ end: fc.integer({ min: 1, max: 150 }), backMs: fc.integer({ min: 0, max: 200_000 }) }),
    fc.record({ waitMs: fc.integer({ min: 0, max: 400_000 }) }),
    fc.constant({ delete: true } as const),
    fc.record({ ask: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ failAt: fc.nat(3) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      const { store, clock } = createStore();
      const ended = new EndedRollouts(
        store,
        ({ rolloutId }) => !rolloutId.startsWith('other'),
        () => clock.nowMs + idleMs,
      );
      let idleMs = 0;
      const seen: string[] = [];
      const ids: string[] = [];
      let place = 0;
      const ask = async (limit: number): Promise<number> => {
        const page = await ended.page(place, limit);
        seen.push(...page.rollouts.map(({ rolloutId }) => rolloutId));
        place = page.nextPlace;
        return page.total;
      };
      for (const each of steps)
        if ('end' in each) {
          const added = Array.from({ length: each.end }, (_, index) => `r${ids.length + index}`);
          ids.push(...added);
          await store.enqueue([...added, `other${ids.length}`].map((rolloutId) => ({ rolloutId, input: 0 })));
          const nowMs = clock.nowMs;
          clock.nowMs -= each.backMs; // another server's clock is late
          for (const id of added.toReversed()) await store.cancel(id);
          await store.cancel(`other${ids.length}`);
          clock.nowMs = nowMs;
        } else if ('waitMs' in each) {
          // A client asks often enough to see what ended before it is deleted, as does the server to see all again.
          idleMs += 300_000;
          while ((await ask(1_000)) > place);
          clock.nowMs += each.waitMs;
        } else if ('delete' in each) await store.runWatchdog();
        else if ('failAt' in each) {
          let left = each.failAt;
          const query = store.queryRollouts.bind(store);
          const broken = vi.spyOn(store, 'queryRollouts').mockImplementation(async (asked) => {
            if (left-- === 0) throw new StoreError('away', { code: 'store-unavailable', retryable: true });
            return query(asked);
          });
          await ask(60).catch(() => undefined);
          broken.mockRestore();
        } else await ask(each.ask);
      idleMs += 300_000; // by then all are read again
      while ((await ask(1_000)) > place);
      expect(seen.toSorted()).toEqual(ids.toSorted());
      expect(place).toBe(ids.length);
      await store.close();
    }),
    { numRuns: 60 },
  );
});
