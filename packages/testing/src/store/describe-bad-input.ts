import type { JsonValue, LightningStore, SpanInput } from '@agent-lightning/core';
import { describe, expect } from 'vitest';
import { expectError } from './expect-error.ts';
import { rewardSpan, sampleSpan, sampleTokens, start } from './sample-data.ts';
import { testStore, type OpenStore } from './store-fixture.ts';

const badIds = ['', '../up', 'a..b', 'a/b', 'nul\0', 'x'.repeat(201), 'pаypal', 'a b', '%2e%2e', 5, null];

/** Tests of values that must never enter a store: each is rejected by name, and leaves nothing behind. */
export function describeBadInput(open: OpenStore): void {
  describe('bad input', () => {
    testStore('refuses ids that are not safe in a path, a log line or a key', open, async ({ store }) => {
      for (const id of badIds as string[]) {
        await expectError(
          store.enqueue([
            { rolloutId: 'fine', input: 1 },
            { rolloutId: id, input: 1 },
          ]),
          'store-invalid',
          /requests\[1\]\.rolloutId/,
        );
        await expectError(store.enqueue([{ runId: id, input: 1 }]), 'store-invalid', /runId/);
        await expectError(store.getRollout(id), 'store-invalid', /rolloutId/);
        await expectError(store.putResources(id, {}), 'store-invalid', /resourcesId/);
        await expectError(store.claim({ workerId: id }), 'store-invalid', /workerId/);
        await expectError(store.deleteRun(id), 'store-invalid', /runId/);
      }
      expect((await store.queryRollouts()).items).toEqual([]);
    });

    testStore('refuses what JSON cannot hold, by path', open, async ({ store }) => {
      const inputs: [unknown, RegExp][] = [
        [{ a: [NaN] }, /input\.a\[0\].*NaN/],
        [Infinity, /input.*Infinity/],
        [{ f: () => 1 }, /input\.f.*function/],
        [undefined, /input/],
        [{ d: new Date(0) }, /input\.d.*plain object/],
        [[undefined], /input\[0\]/],
        [1n, /input/],
        [nested(65), /deeper than 64/],
        [nested(1_000), /deeper than 64/],
        ['x'.repeat(16 * 1024 * 1024), /input.*16777216 characters/],
      ];
      for (const [input, message] of inputs)
        await expectError(store.enqueue([{ input: input as JsonValue }]), 'store-invalid', message);
      await store.enqueue([{ rolloutId: 'deep', input: nested(64) }]);
      expect((await store.queryRollouts()).items).toHaveLength(1);
    });

    testStore('leaves out members that are undefined, as JSON does', open, async ({ store }) => {
      await store.enqueue([
        { rolloutId: 'a', input: { u: undefined, kept: [{ u: undefined }] } as unknown as JsonValue },
      ]);
      expect((await store.getRollout('a'))?.input).toEqual({ kept: [{}] });
    });

    testStore('keeps a key named __proto__ as data', open, async ({ store }) => {
      await store.enqueue([{ rolloutId: 'a', input: JSON.parse('{"__proto__":{"polluted":true}}') as JsonValue }]);
      expect(JSON.stringify((await store.getRollout('a'))?.input)).toBe('{"__proto__":{"polluted":true}}');
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    });

    testStore('refuses numbers and names outside their range', open, async ({ store }) => {
      const requests: [object, RegExp][] = [
        [{ priority: 0.5 }, /priority/],
        [{ priority: NaN }, /priority/],
        [{ mode: 'training' }, /mode.*train, val, test/],
        [{ retry: { maxAttempts: 0 } }, /maxAttempts/],
        [{ retry: { maxAttempts: 101 } }, /maxAttempts/],
        [{ retry: { retryOn: ['succeeded'] } }, /retryOn\[0\]/],
        [{ retry: { retryCodes: ['timed-out', 7] } }, /retryCodes\[1\]/],
        [{ retry: { backoffMs: -1 } }, /backoffMs/],
        [{ timeouts: { totalMs: 0 } }, /totalMs/],
        [{ timeouts: { noProgressMs: Infinity } }, /noProgressMs/],
      ];
      for (const [request, message] of requests)
        await expectError(store.enqueue([{ input: 1, ...request }]), 'store-invalid', message);
      await expectError(store.claim({ workerId: 'w', limit: 0 }), 'store-invalid', /limit/);
      await expectError(store.claim({ workerId: 'w', leaseMs: 1.5 }), 'store-invalid', /leaseMs/);
      await expectError(store.claim({ workerId: 'w', queues: [] }), 'store-invalid', /queues/);
      await expectError(store.queryRollouts({ limit: 10_001 }), 'store-invalid', /limit/);
      await expectError(store.queryRollouts({ cursor: `1' OR 1=1` }), 'store-invalid', /cursor/);
      await expectError(store.queryRollouts({ order: 'asc; DROP TABLE rollouts' as 'asc' }), 'store-invalid', /order/);
    });

    testStore('takes SQL and patterns in names for plain text', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      const name = `%_'"; DROP TABLE spans; --`;
      await store.appendSpans(lease, [sampleSpan(1, { name }), sampleSpan(2)]);
      expect(await store.querySpans({ rolloutIds: ['a'], name })).toHaveLength(1);
      expect(await store.querySpans({ rolloutIds: ['a'], name: '%' })).toEqual([]);
    });

    testStore('refuses a whole batch for one bad span, and says which', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      for (const [changes, message] of badSpans()) {
        await expectError(
          store.appendSpans(lease, [sampleSpan(1), { ...sampleSpan(2), ...changes } as SpanInput]),
          'store-invalid',
          message,
        );
      }
      expect(await nothingStored(store)).toBe(true);
      await store.appendSpans(lease, [sampleSpan(1, { attributes: { long: 'x'.repeat(1024 * 1024) } })]);
    });

    testStore('refuses rewards that are not numbers from -1e9 to 1e9 with a name', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      for (const value of [NaN, Infinity, -Infinity, 1.1e9, -1e200, '1', null, undefined]) {
        await expectError(
          store.appendSpans(lease, [rewardSpan(1, value as number)]),
          'store-invalid',
          /reward\.0\.value/,
        );
        await expectError(store.addReward('a', rewardSpan(1, value as number)), 'store-invalid', /reward\.0\.value/);
      }
      const open = { ...rewardSpan(1, 1), isOpen: true };
      await expectError(store.appendSpans(lease, [open]), 'store-invalid', /isOpen.*reward/);
      await expectError(store.addReward('a', open), 'store-invalid', /isOpen.*reward/);
      await expectError(
        store.appendSpans(lease, [sampleSpan(1, { kind: 'reward' })]),
        'store-invalid',
        /reward\.0\.name/,
      );
      expect(await nothingStored(store)).toBe(true);
    });

    testStore('refuses a lease, a failure or resources of the wrong shape', open, async ({ store }) => {
      const { lease } = await start(store, 'a');
      await expectError(store.heartbeat({ ...lease, fencingToken: NaN }), 'store-invalid', /fencingToken/);
      await expectError(store.heartbeat(undefined as never), 'store-invalid', /lease/);
      await expectError(store.fail(lease, { code: '', message: 'x' }), 'store-invalid', /failure\.code/);
      await expectError(
        store.fail(lease, { code: 'x', message: 'x', status: 'unresponsive' as 'failed' }),
        'store-invalid',
        /failure\.status/,
      );
      await expectError(
        store.putResources('r', { p: { type: 'llm', model: 'm', policyVersion: -1, sampling: {} } }),
        'store-invalid',
        /resources\.p\.policyVersion/,
      );
      await expectError(
        store.putResources('r', { p: { type: 'llm', model: 'm', policyVersion: 1, sampling: { temperature: NaN } } }),
        'store-invalid',
        /temperature/,
      );
      const failed = await store.fail(lease, { code: 'x', message: `${'y'.repeat(100_000)}\0` });
      expect(failed.failure?.message).toMatch(/^y+… \(100001 characters in all\)$/);
    });
  });
}

function badSpans(): readonly [object, RegExp][] {
  const call = { kind: 'model_call' };
  return [
    [{ spanId: 'ABCDEF0123456789' }, /spans\[1\]\.spanId/],
    [{ spanId: '0'.repeat(16) }, /spans\[1\]\.spanId.*not all 0/],
    [{ traceId: 'a' }, /traceId/],
    [{ parentSpanId: '' }, /parentSpanId/],
    [{ kind: 'llm' }, /kind/],
    [{ name: '' }, /name/],
    [{ name: 'nul\0' }, /name/],
    [{ name: '\ud800' }, /name/],
    [{ startTimeMs: NaN }, /startTimeMs/],
    [{ startTimeMs: -1 }, /startTimeMs/],
    [{ endTimeMs: 1_000 }, /endTimeMs.*before/],
    [{ status: { code: 'fine' } }, /status\.code/],
    [{ attributes: { a: NaN } }, /attributes\["a"\]/],
    [{ attributes: { a: { b: 1 } } }, /attributes\["a"\].*flatten/],
    [{ attributes: { a: null } }, /attributes\["a"\]/],
    [{ attributes: { a: [1, '2'] } }, /attributes\["a"\]\[1\]/],
    [{ attributes: { a: 'x'.repeat(16 * 1024 * 1024) } }, /attributes\["a"\].*4194304/],
    [
      { attributes: Object.fromEntries(Array.from({ length: 1_025 }, (_, index) => [`k${index}`, 1])) },
      /at most 1024 attributes/,
    ],
    [{ tokens: sampleTokens(1, 1) }, /tokens.*operation/],
    [{ isOpen: 'yes' }, /isOpen/],
    [{ ...call, isOpen: true, tokens: sampleTokens(1, 1) }, /tokens.*end of an open span/],
    [{ ...call, tokens: { ...sampleTokens(1, 2), logprobs: new Float32Array(1) } }, /logprobs.*2 response tokens/],
    [{ ...call, tokens: { ...sampleTokens(1, 1), logprobs: Float32Array.of(NaN) } }, /logprobs\[0\]/],
    [{ ...call, tokens: { ...sampleTokens(1, 1), logprobs: Float32Array.of(0.5) } }, /logprobs\[0\].*at most 0/],
    [{ ...call, tokens: { ...sampleTokens(1, 1), logprobs: Float32Array.of(-9999) } }, /logprobs\[0\].*at least -80/],
    [{ ...call, tokens: { ...sampleTokens(1, 1), prompt: Int32Array.of(-1) } }, /prompt\[0\]/],
    [{ ...call, tokens: { ...sampleTokens(1, 1), response: [1] } }, /response.*Int32Array/],
  ];
}

async function nothingStored(store: LightningStore): Promise<boolean> {
  const { spans, tokens } = await store.statistics();
  return spans === 0 && tokens === 0;
}

function nested(depth: number): JsonValue {
  let value: JsonValue = 0;
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}
