import type { LightningStore, Span, SpanInput } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, rewardSpan, sampleSpan, sampleTokens, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

/** Returns the span of a model call that goes on. */
function openSpan(number: number, changes: Partial<SpanInput> = {}): SpanInput {
  return sampleSpan(number, {
    kind: 'model_call',
    name: 'call',
    attributes: { at: 'begin' },
    isOpen: true,
    ...changes,
  });
}

/** Returns the span of the same call when it has ended, with 3 + 2 tokens. */
function endedSpan(number: number, changes: Partial<SpanInput> = {}): SpanInput {
  return sampleSpan(number, {
    kind: 'model_call',
    name: 'call',
    endTimeMs: 2_000,
    attributes: { at: 'end', answer: 'é😀 \0' },
    tokens: sampleTokens(3, 2),
    ...changes,
  });
}

async function read(store: LightningStore, rolloutId: string): Promise<readonly Span[]> {
  return store.querySpans({ rolloutIds: [rolloutId], includeTokens: true });
}

async function countsOf(store: LightningStore): Promise<readonly number[]> {
  const { spans, tokens } = await store.statistics();
  return [spans, tokens];
}

/** Tests of spans that are written before they end, and once more when they do. */
export function describeOpenSpans(open: OpenStore): void {
  describe('open spans', () => {
    testStore('are replaced by their end, at the place where they were written', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const place = { rolloutId: 'a', attemptId: lease.attemptId, sequenceId: 1 };
      expect(await store.appendSpans(lease, [openSpan(1)])).toEqual([1]);
      expect(await read(store, 'a')).toEqual([{ ...openSpan(1), ...place }]);
      expect(await countsOf(store)).toEqual([1, 0]);
      expect(await store.appendSpans(lease, [sampleSpan(2), endedSpan(1), sampleSpan(3)])).toEqual([2, 1, 3]);
      const [ended, ...others] = await read(store, 'a');
      expect(ended).toEqual({ ...endedSpan(1), ...place });
      expect(others.map((span) => span.sequenceId)).toEqual([2, 3]);
      expect(await countsOf(store)).toEqual([3, 5]);
    });

    testStore('end once, whatever is delivered again and in whatever order', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const deliver = async (span: SpanInput): Promise<string> => {
        expect(await store.appendSpans(lease, [span])).toEqual([1]);
        return JSON.stringify(await read(store, 'a'));
      };
      const begun = await deliver(openSpan(1));
      expect(await deliver(openSpan(1, { name: 'announced again' }))).toBe(begun);
      const ended = await deliver(endedSpan(1));
      expect(ended).not.toBe(begun);
      expect(await deliver(endedSpan(1))).toBe(ended);
      expect(await deliver(endedSpan(1, { name: 'another end', tokens: sampleTokens(9, 9) }))).toBe(ended);
      expect(await deliver(openSpan(1))).toBe(ended);
      expect(await countsOf(store)).toEqual([1, 5]);
    });

    testStore('may begin and end within one call', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const given = [
        openSpan(1),
        sampleSpan(2),
        endedSpan(1),
        endedSpan(3),
        openSpan(3),
        endedSpan(1, { name: 'late' }),
      ];
      expect(await store.appendSpans(lease, given)).toEqual([1, 2, 1, 3, 3, 1]);
      expect((await read(store, 'a')).map(({ name, isOpen, tokens }) => [name, isOpen, tokens?.prompt.length])).toEqual(
        [
          ['call', undefined, 3],
          ['step 2', undefined, undefined],
          ['call', undefined, 3],
        ],
      );
      expect(await countsOf(store)).toEqual([3, 10]);
    });

    testStore('stay open when their attempt ends first', open, async ({ store }) => {
      const { lease } = await start(store, 'a', { maxAttempts: 2 });
      await store.appendSpans(lease, [openSpan(1)]);
      await store.fail(lease, { code: 'x', message: 'y' });
      expect(await store.appendSpans(lease, [openSpan(1)])).toEqual([1]);
      await expectError(store.appendSpans(lease, [endedSpan(1)]), 'store-fenced');
      // The next attempt's span of that id is another one.
      const next = await claimOne(store);
      expect(await store.appendSpans(next.lease, [endedSpan(1)])).toEqual([2]);
      expect((await read(store, 'a')).map((span) => span.isOpen)).toEqual([true, undefined]);
      expect(await countsOf(store)).toEqual([2, 5]);
    });

    testStore('change nothing when their call is refused', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      await store.appendSpans(lease, [openSpan(1)]);
      const bad = sampleSpan(2, { attributes: { a: NaN } });
      await expectError(store.appendSpans(lease, [endedSpan(1), bad]), 'store-invalid', /spans\[1\]/);
      expect((await read(store, 'a')).map((span) => span.isOpen)).toEqual([true]);
    });

    testStore('make progress when they begin and when they end', open, async ({ store, now, advance }) => {
      const { lease } = await start(store, 'a');
      for (const span of [openSpan(1), endedSpan(1)]) {
        advance(100);
        await store.appendSpans(lease, [span]);
        expect((await store.queryAttempts('a'))[0]).toMatchObject({ status: 'running', lastProgressAtMs: now() });
      }
      const last = now();
      advance(100);
      await store.appendSpans(lease, [endedSpan(1)]);
      expect((await store.queryAttempts('a'))[0]?.lastProgressAtMs).toBe(last);
    });

    testStore('have one end of many that are written at once', open, async ({ store, openPeer }) => {
      const stores = openPeer === undefined ? [store] : [store, await openPeer()];
      const { lease } = await start(store, 'a');
      await store.appendSpans(lease, [openSpan(1)]);
      const replies = await Promise.all(
        Array.from({ length: 40 }, (_, index) =>
          (stores[index % stores.length] as LightningStore).appendSpans(lease, [
            index % 4 === 0 ? openSpan(1) : endedSpan(1, { name: `end ${index}`, tokens: sampleTokens(index, 1) }),
            sampleSpan(2 + index),
          ]),
        ),
      );
      expect(new Set(replies.map(([sequenceId]) => sequenceId))).toEqual(new Set([1]));
      expect(replies.map(([, sequenceId]) => sequenceId as number).sort((left, right) => left - right)).toEqual(
        Array.from({ length: 40 }, (_, index) => index + 2),
      );
      const [ended] = await read(store, 'a');
      expect(ended?.isOpen).toBeUndefined();
      expect(ended?.name).toBe(`end ${ended?.tokens?.prompt.length}`);
      expect(await countsOf(store)).toEqual([41, (ended?.tokens?.prompt.length ?? 0) + 1]);
    });

    testStore('take rewards and children like others', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const child = sampleSpan(2, { parentSpanId: openSpan(1).spanId });
      await store.appendSpans(lease, [openSpan(1), child]);
      expect(await store.querySpans({ rolloutIds: ['a'], under: openSpan(1).spanId })).toHaveLength(1);
      // An id that is taken, also by an open span, is no new reward.
      expect(await store.addReward('a', rewardSpan(1, 1))).toBe(1);
      expect(await store.addReward('a', rewardSpan(3, 1))).toBe(3);
      expect((await read(store, 'a')).map(({ kind, isOpen }) => [kind, isOpen])).toEqual([
        ['model_call', true],
        ['operation', undefined],
        ['reward', undefined],
      ]);
    });

    testStore('are still there, and still end, after the store is opened again', open, async ({ store, reopen }) => {
      if (reopen === undefined) return;
      const { lease } = await start(store, 'a');
      await store.appendSpans(lease, [openSpan(1), sampleSpan(2)]);
      const before = await read(store, 'a');
      const again = await reopen();
      expect(await read(again, 'a')).toEqual(before);
      expect(await again.appendSpans(lease, [endedSpan(1)])).toEqual([1]);
      const once = await reopen();
      expect(await read(once, 'a')).toMatchObject([{ ...endedSpan(1), sequenceId: 1 }, { sequenceId: 2 }]);
      expect(await countsOf(once)).toEqual([2, 5]);
    });
  });
}
