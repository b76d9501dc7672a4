import type { SpanInput } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, rewardSpan, sampleSpan, sampleTokens, spanId, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

/** Tests of spans, tokens and rewards. */
export function describeSpans(open: OpenStore): void {
  describe('spans', () => {
    testStore('issues sequence ids from 1, growing through the attempts of a rollout', open, async ({ store }) => {
      const first = await start(store, 'a', { maxAttempts: 2 });
      const other = await start(store, 'b');
      expect(await store.appendSpans(first.lease, [sampleSpan(1), sampleSpan(2)])).toEqual([1, 2]);
      expect(await store.appendSpans(other.lease, [sampleSpan(1)])).toEqual([1]);
      await store.fail(first.lease, { code: 'x', message: 'y' });
      const second = await claimOne(store);
      expect(await store.appendSpans(second.lease, [sampleSpan(1)])).toEqual([3]);
      expect(await store.appendSpans(second.lease, [])).toEqual([]);
    });

    testStore('keeps a span id as it was first written, within a call and between calls', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      expect(await store.appendSpans(lease, [sampleSpan(1), sampleSpan(1, { name: 'other' }), sampleSpan(2)])).toEqual([
        1, 1, 2,
      ]);
      expect(await store.appendSpans(lease, [sampleSpan(3), sampleSpan(1, { name: 'other' })])).toEqual([3, 1]);
      expect((await store.querySpans({ rolloutIds: ['a'] })).map((span) => span.name)).toEqual([
        'step 1',
        'step 2',
        'step 3',
      ]);
    });

    testStore(
      'answers a repeated batch of an attempt that is over, and refuses what is new',
      open,
      async ({ store }) => {
        const { lease } = await start(store, 'a');
        await store.appendSpans(lease, [sampleSpan(1), rewardSpan(2, 1)]);
        await store.complete(lease);
        expect(await store.appendSpans(lease, [sampleSpan(1), rewardSpan(2, 1)])).toEqual([1, 2]);
        await expectError(store.appendSpans(lease, [sampleSpan(1), sampleSpan(3)]), 'store-fenced');
        expect(await store.querySpans({ rolloutIds: ['a'] })).toHaveLength(2);
      },
    );

    testStore('gives back every field, tokens bit for bit', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const span = sampleSpan(1, {
        parentSpanId: spanId(9),
        kind: 'model_call',
        name: 'chat',
        status: { code: 'error', message: 'cut off' },
        attributes: {
          text: 'é😀 \0 \ud800',
          flag: true,
          number: -0.5,
          texts: ['a', ''],
          numbers: [1, 2.5],
          flags: [false],
          none: [],
          __proto__x: 'y',
        },
        tokens: sampleTokens(3, 2),
      });
      await store.appendSpans(lease, [span]);
      const place = { rolloutId: 'a', attemptId: lease.attemptId, sequenceId: 1 };
      expect(await store.querySpans({ rolloutIds: ['a'], includeTokens: true })).toEqual([{ ...span, ...place }]);
      const { tokens: _tokens, ...rest } = span;
      expect(await store.querySpans({ rolloutIds: ['a'] })).toEqual([{ ...rest, ...place }]);
    });

    testStore('copies tokens on the way in and on the way out', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const tokens = sampleTokens(2, 2);
      const writing = store.appendSpans(lease, [sampleSpan(1, { kind: 'model_call', tokens })]);
      tokens.response.fill(7);
      await writing;
      const read = async (): Promise<Int32Array | undefined> =>
        (await store.querySpans({ rolloutIds: ['a'], includeTokens: true }))[0]?.tokens?.response;
      (await read())?.fill(8);
      expect(await read()).toEqual(Int32Array.of(100_000, 100_001));
    });

    testStore('keeps empty and long token arrays', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const long = sampleTokens(100_000, 30_000);
      await store.appendSpans(lease, [
        sampleSpan(1, { kind: 'model_call', tokens: sampleTokens(0, 0) }),
        sampleSpan(2, { kind: 'model_call', tokens: long }),
      ]);
      const [empty, full] = await store.querySpans({ rolloutIds: ['a'], includeTokens: true });
      expect(empty?.tokens).toEqual(sampleTokens(0, 0));
      expect(full?.tokens).toEqual(long);
    });

    testStore('queries by rollout, attempt, kind, name and id, in the order asked for', open, async ({ store }) => {
      const first = await start(store, 'a', { maxAttempts: 2 });
      await store.appendSpans(first.lease, [sampleSpan(1), rewardSpan(2, 1)]);
      await store.fail(first.lease, { code: 'x', message: 'y' });
      const second = await claimOne(store);
      await store.appendSpans(second.lease, [sampleSpan(3)]);
      const other = await start(store, 'b');
      await store.appendSpans(other.lease, [sampleSpan(4)]);
      const ids = async (query: object): Promise<number[]> =>
        (await store.querySpans({ rolloutIds: ['b', 'absent', 'a', 'b'], ...query })).map((span) =>
          parseInt(span.spanId, 16),
        );
      expect(await ids({})).toEqual([4, 1, 2, 3]);
      expect(await ids({ attemptId: 'latest' })).toEqual([4, 3]);
      expect(await ids({ attemptId: first.lease.attemptId })).toEqual([1, 2]);
      expect(await ids({ kinds: ['reward'] })).toEqual([2]);
      expect(await ids({ kinds: [] })).toEqual([]);
      expect(await ids({ name: 'step 3' })).toEqual([3]);
      expect(await ids({ spanIds: [spanId(3), spanId(1), spanId(4), spanId(9), spanId(3)] })).toEqual([4, 1, 3]);
      expect(await ids({ spanIds: [spanId(3), spanId(1)], attemptId: 'latest', name: 'step 3' })).toEqual([3]);
      expect(await ids({ spanIds: [], includeTokens: true })).toEqual([]);
      expect(await ids({ rolloutIds: [] })).toEqual([]);
    });

    testStore('queries the tree below a span, of its own attempt', open, async ({ store }) => {
      const child = (number: number, parent: number, kind: 'agent' | 'tool_call' = 'agent'): SpanInput =>
        sampleSpan(number, { parentSpanId: spanId(parent), kind });
      const first = await start(store, 'a', { maxAttempts: 2 });
      // Children end, and are written, before their parents; span 7 names itself, 8 a parent that is not there.
      await store.appendSpans(first.lease, [
        child(4, 3, 'tool_call'),
        child(3, 2),
        child(5, 2, 'tool_call'),
        child(2, 1),
        sampleSpan(1),
        child(6, 1),
        child(7, 7),
        child(8, 99),
      ]);
      await store.fail(first.lease, { code: 'x', message: 'y' });
      await store.appendSpans((await claimOne(store)).lease, [child(9, 4)]);
      const ids = async (under: number, query: object = {}): Promise<number[]> =>
        (await store.querySpans({ rolloutIds: ['a'], under: spanId(under), ...query })).map((span) =>
          parseInt(span.spanId, 16),
        );
      expect(await ids(2)).toEqual([4, 3, 5]);
      expect(await ids(1)).toEqual([4, 3, 5, 2, 6]);
      expect(await ids(1, { kinds: ['tool_call'] })).toEqual([4, 5]);
      expect(await ids(4)).toEqual([9]);
      expect(await ids(4, { attemptId: first.lease.attemptId })).toEqual([]);
      expect(await ids(7)).toEqual([7]);
      expect(await ids(50)).toEqual([]);
      await expectError(ids(NaN), 'store-invalid', /query\.under/);
    });

    testStore('adds a late reward once, also to a final rollout', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'queued', input: 1, queue: 'later' }]);
      await expectError(store.addReward('queued', rewardSpan(1, 1)), 'store-conflict', /no attempt/);
      await expectError(store.addReward('absent', rewardSpan(1, 1)), 'store-not-found');
      const { lease } = await start(store, 'a');
      await store.appendSpans(lease, [sampleSpan(1)]);
      await store.complete(lease);
      expect(await store.addReward('a', rewardSpan(2, 0.5))).toBe(2);
      expect(await store.addReward('a', rewardSpan(2, 0.5))).toBe(2);
      expect(await store.querySpans({ rolloutIds: ['a'], kinds: ['reward'] })).toMatchObject([
        { attemptId: lease.attemptId, sequenceId: 2 },
      ]);
      await expectError(store.addReward('a', sampleSpan(3)), 'store-invalid', /span\.kind/);
    });
  });
}
