import { exportRollouts, exportRun, type ExportedRollout } from '@agent-lightning/store';
import type { NamedResources } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { claimOne, sampleSpan, sampleTokens, start } from './sample-data.ts';
import { keepEndedMs, testStore, type OpenStore } from './store-fixture.ts';

/** Tests of resources, statistics, deletion and closing. */
export function describeKeeping(open: OpenStore): void {
  describe('keeping', () => {
    testStore(
      'keeps every version of resources; the last one written is the latest',
      open,
      async ({ store, now, advance }) => {
        const prompt = (template: string): NamedResources => ({
          system: { type: 'prompt_template', template, engine: 'jinja' },
          extra: { type: 'json', value: { a: [1] } },
        });
        expect(await store.latestResources()).toBeUndefined();
        const first = await store.putResources('prompts', prompt('one'));
        expect(first).toEqual({ resourcesId: 'prompts', version: 1, resources: prompt('one'), createdAtMs: now() });
        advance(5);
        const second = await store.putResources('prompts', prompt('two'));
        expect(second).toMatchObject({ version: 2, createdAtMs: now() });
        const other = await store.putResources('other', {});
        expect(await store.latestResources()).toEqual(other);
        expect(await store.getResources('prompts')).toEqual(second);
        expect(await store.getResources('prompts', 1)).toEqual(first);
        expect(await store.getResources('prompts', 3)).toBeUndefined();
        expect(await store.getResources('absent')).toBeUndefined();
      },
    );

    testStore('counts what it holds', open, async ({ store }) => {
      const { lease } = await start(store, 'a', { maxAttempts: 2 });
      await store.appendSpans(lease, [
        sampleSpan(1, { kind: 'model_call', tokens: sampleTokens(3, 4) }),
        sampleSpan(2),
      ]);
      await store.fail(lease, { code: 'x', message: 'y' });
      await store.complete((await claimOne(store)).lease);
      await store.enqueue([{ input: 1 }, { input: 1 }]);
      await store.putResources('x', {});
      await store.putResources('x', {});
      expect(await store.statistics()).toMatchObject({
        rollouts: { queuing: 2, preparing: 0, running: 0, requeuing: 0, succeeded: 1, failed: 0, cancelled: 0 },
        attempts: { preparing: 0, running: 0, succeeded: 1, failed: 1, timeout: 0, unresponsive: 0, cancelled: 0 },
        spans: 2,
        tokens: 7,
        resources: 2,
      });
    });

    testStore('deletes a run with all that belongs to it, once it is final', open, async ({ store }) => {
      await store.enqueue([
        { rolloutId: 'a', input: 1, runId: 'run' },
        { rolloutId: 'b', input: 1, runId: 'run' },
        { rolloutId: 'kept', input: 1, runId: 'other' },
      ]);
      for (const { lease } of await store.claim({ workerId: 'w', limit: 3 })) {
        await store.appendSpans(lease, [sampleSpan(1, { kind: 'model_call', tokens: sampleTokens(1, 1) })]);
        if (lease.rolloutId !== 'b') await store.complete(lease);
      }
      await expectError(store.deleteRun('run'), 'store-conflict', /\bb\b/);
      expect(await store.getRollout('a')).toBeDefined();
      await store.cancel('b');
      expect(await store.deleteRun('run')).toBe(2);
      expect(await store.deleteRun('run')).toBe(0);
      expect((await store.queryRollouts()).items.map((rollout) => rollout.rolloutId)).toEqual(['kept']);
      expect(await store.querySpans({ rolloutIds: ['a', 'b'] })).toEqual([]);
      expect(await store.queryAttempts('a')).toEqual([]);
      expect(await store.statistics()).toMatchObject({ spans: 1, tokens: 2 });
      const [fresh] = await store.enqueue([{ rolloutId: 'a', input: 'another task' }]);
      expect(fresh).toMatchObject({ input: 'another task', status: 'queuing', attemptCount: 0 });
      const { lease } = await claimOne(store);
      expect(await store.appendSpans(lease, [sampleSpan(1)])).toEqual([1]);
    });

    testStore('takes an id again after its run was deleted, in its new queue only', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'a', input: 1, runId: 'run', queue: 'old' }]);
      await store.cancel('a');
      await store.deleteRun('run');
      await store.enqueue([{ rolloutId: 'a', input: 2, runId: 'run', queue: 'new' }]);
      expect(await store.claim({ workerId: 'w', queues: ['old'] })).toEqual([]);
      expect(
        (await store.claim({ workerId: 'w', queues: ['new', 'old'], limit: 5 })).map((claim) => claim.rollout.input),
      ).toEqual([2]);
    });

    testStore('exports a run with all that belongs to it', open, async ({ store }) => {
      const ids = Array.from({ length: 101 }, (_, index) => `r${index}`);
      await store.enqueue([
        ...ids.map((rolloutId) => ({ rolloutId, input: 1, runId: 'run' })),
        { input: 1, runId: 'other' },
      ]);
      const [claim] = await store.claim({ workerId: 'w', runId: 'run' });
      const span = sampleSpan(1, { kind: 'model_call', tokens: sampleTokens(2, 2) });
      if (claim !== undefined) await store.appendSpans(claim.lease, [span]);
      const exported: ExportedRollout[] = [];
      for await (const rollout of exportRun(store, 'run')) exported.push(rollout);
      expect(exported.map(({ rollout }) => rollout.rolloutId)).toEqual(ids);
      expect(exported[0]).toMatchObject({
        rollout: { status: 'running' },
        attempts: [{ attemptNumber: 1 }],
        spans: [span],
      });
      expect(exported[1]).toMatchObject({ attempts: [], spans: [] });
      const running: string[] = [];
      for await (const { rollout } of exportRollouts(store, { statuses: ['running'] })) running.push(rollout.rolloutId);
      expect(running).toEqual(ids.slice(0, 1));
    });

    testStore('keeps the newest events, and tells who asks for older ones', open, async ({ store }) => {
      const first = store.subscribe({ cursor: '0' })[Symbol.asyncIterator]();
      await store.enqueue(Array.from({ length: 1_500 }, (_, index) => ({ rolloutId: `r${index}`, input: 1 })));
      await store.runWatchdog();
      await expectError(first.next(), 'store-not-found', /cursor 0 .*subscribe/);
      for await (const { cursor, id } of store.subscribe({ cursor: '500' })) {
        expect([cursor, id]).toEqual(['501', 'r500']);
        break;
      }
    });

    testStore('deletes rollouts so long after their end, and no others', open, async ({ store, advance }) => {
      const addEnded = async (rolloutId: string): Promise<void> => {
        const { lease } = await start(store, rolloutId, {});
        await store.appendSpans(lease, [sampleSpan(1, { kind: 'model_call', tokens: sampleTokens(1, 2) })]);
        await store.complete(lease);
      };
      for (let index = 0; index < 3; index++) await addEnded(`old-${index}`);
      advance(keepEndedMs - 1);
      await addEnded('young');
      await store.enqueue([{ rolloutId: 'queued', input: 1 }]);
      await store.runWatchdog();
      expect((await store.queryRollouts()).items).toHaveLength(5);
      advance(1);
      await store.runWatchdog();
      expect((await store.queryRollouts()).items.map((rollout) => rollout.rolloutId)).toEqual(['young', 'queued']);
      expect(await store.querySpans({ rolloutIds: ['old-0', 'young'] })).toHaveLength(1);
      expect(await store.statistics()).toMatchObject({
        rollouts: { succeeded: 1, queuing: 1 },
        attempts: { succeeded: 1 },
        spans: 1,
        tokens: 3,
      });
    });

    testStore('finishes the writes under way when it closes, and refuses later calls', open, async ({ store }) => {
      const writing = store.enqueue([{ rolloutId: 'a', input: 1 }]);
      await store.close();
      expect((await writing)[0]?.rolloutId).toBe('a');
      await store.close();
      const calls = [
        store.enqueue([{ input: 1 }]),
        store.getRollout('a'),
        store.statistics(),
        store.waitForWork({}),
        store.runWatchdog(),
      ];
      for (const call of calls) await expectError(call, 'store-closed');
    });
  });
}
