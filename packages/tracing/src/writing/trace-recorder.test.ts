import { describe, expect, it } from 'vitest';
import { StoreError, type Lease, type SpanInput } from '@agent-lightning/core';
import { TraceRecorder } from './trace-recorder.ts';

const lease: Lease = { rolloutId: 'r1', attemptId: 'a1', fencingToken: 1 };

/** A store whose writes end when the test says so. */
function manualStore() {
  const batches: SpanInput[][] = [];
  const waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  return {
    batches,
    written: () => batches.flat().map(({ name }) => name),
    async appendSpans(_lease: Lease, spans: readonly SpanInput[]) {
      await new Promise<void>((resolve, reject) => waiting.push({ resolve, reject }));
      batches.push([...spans]);
      return spans.map((_, index) => index + 1);
    },
    /** Resolves when a write has been asked for, and ends it. */
    async settle(error?: unknown) {
      while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
      const write = waiting.shift()!;
      if (error === undefined) write.resolve();
      else write.reject(error);
    },
  };
}

function recorder(store: ReturnType<typeof manualStore>) {
  let now = 1_000;
  let ids = 0;
  return new TraceRecorder({
    store,
    lease,
    now: () => now++,
    generateSpanId: () => (++ids).toString(16).padStart(16, '0'),
  });
}

describe('TraceRecorder', () => {
  it('derives its trace id from the attempt, so that the gateway can derive the same', () => {
    expect(new TraceRecorder({ store: manualStore(), lease }).traceId).toBe('f55ff16f66f43360266b95db6f8fec01');
  });

  it('writes spans in the order in which they ended, with clock, ids and merged attributes', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const outer = trace.start({ kind: 'agent', name: 'outer', attributes: { a: 1 } });
    const inner = trace.start({ kind: 'tool_call', name: 'inner', parentSpanId: outer.spanId });
    inner.end({ status: { code: 'error', message: 'no such table' } });
    outer.end({ attributes: { b: ['x'] } });
    const flushed = trace.flush();
    await store.settle();
    await flushed;
    expect(store.batches).toEqual([
      [
        {
          spanId: inner.spanId,
          traceId: trace.traceId,
          parentSpanId: outer.spanId,
          kind: 'tool_call',
          name: 'inner',
          status: { code: 'error', message: 'no such table' },
          startTimeMs: 1_002,
          endTimeMs: 1_004,
          attributes: {},
        },
        {
          spanId: outer.spanId,
          traceId: trace.traceId,
          kind: 'agent',
          name: 'outer',
          status: { code: 'ok' },
          startTimeMs: 1_000,
          endTimeMs: 1_005,
          attributes: { a: 1, b: ['x'] },
        },
      ],
    ]);
  });

  it('keeps a span as it was when it ended, whatever the caller does to its arrays later', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const tokens = { prompt: Int32Array.of(1), response: Int32Array.of(2), logprobs: Float32Array.of(-1) };
    trace.record({ kind: 'model_call', name: 'call', tokens });
    tokens.response.fill(7);
    const flushed = trace.flush();
    await store.settle();
    await flushed;
    expect(store.batches.flat()[0]?.tokens?.response).toEqual(Int32Array.of(2));
  });

  it('puts what ends during a write into one next write', async () => {
    const store = manualStore();
    const trace = recorder(store);
    trace.record({ kind: 'message', name: 'a' });
    const flushed = trace.flush();
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    for (const name of ['b', 'c', 'd']) trace.record({ kind: 'message', name });
    await store.settle();
    await store.settle();
    await flushed;
    expect(store.batches.map((batch) => batch.map(({ name }) => name))).toEqual([['a'], ['b', 'c', 'd']]);
  });

  it('announces a span as it stands, and writes its end when that comes', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const call = trace.start({ kind: 'model_call', name: 'call', attributes: { a: 1 } });
    call.announce({ status: { code: 'error', message: 'cut off' }, attributes: { incomplete: true } });
    trace.record({ kind: 'message', name: 'meanwhile' });
    const announced = trace.flush();
    await store.settle();
    await announced;
    call.end({ attributes: { answer: 'x' } });
    const ended = trace.flush();
    await store.settle();
    await ended;
    const common = {
      spanId: call.spanId,
      traceId: trace.traceId,
      kind: 'model_call',
      name: 'call',
      startTimeMs: 1_000,
    };
    expect(store.batches).toEqual([
      [
        {
          ...common,
          isOpen: true,
          status: { code: 'error', message: 'cut off' },
          endTimeMs: 1_002,
          attributes: { a: 1, incomplete: true },
        },
        expect.objectContaining({ name: 'meanwhile' }),
      ],
      [{ ...common, status: { code: 'ok' }, endTimeMs: 1_005, attributes: { a: 1, answer: 'x' } }],
    ]);
  });

  it('announces again what a store may not have kept, before the end', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const call = trace.start({ kind: 'model_call', name: 'call' });
    call.announce();
    await store.settle(new StoreError('busy', { code: 'store-unavailable', retryable: true }));
    call.end();
    const flushed = trace.flush();
    await store.settle();
    await flushed;
    expect(store.batches.map((batch) => batch.map(({ isOpen }) => isOpen))).toEqual([[true, undefined]]);
  });

  it('ends what was announced when it closes, and announces nothing later', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const call = trace.start({ kind: 'model_call', name: 'call' });
    call.announce();
    const closed = trace.close();
    await store.settle();
    await closed;
    call.announce();
    await trace.flush();
    expect(store.batches.flat()).toMatchObject([
      { isOpen: true, status: { code: 'unset' } },
      { status: { code: 'error' } },
    ]);
  });

  it('refuses to announce what has ended, and attributes that no store takes', () => {
    const trace = recorder(manualStore());
    const call = trace.start({ kind: 'model_call', name: 'call' });
    expect(() => call.announce({ attributes: { score: Number.NaN } })).toThrow(
      expect.objectContaining({ code: 'span-invalid' }),
    );
    call.end();
    expect(() => call.announce()).toThrow(/announced after its end/);
  });

  it('keeps a failed write and throws its error at every flush', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const fenced = new StoreError('the attempt is another’s', { code: 'store-fenced' });
    trace.record({ kind: 'message', name: 'a' });
    const flushed = trace.flush();
    await Promise.all([store.settle(fenced), expect(flushed).rejects.toBe(fenced)]);
    trace.record({ kind: 'message', name: 'b' });
    await expect(trace.flush()).rejects.toBe(fenced);
  });

  it('writes a failed batch again, first, when the store may recover', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const busy = new StoreError('busy', { code: 'store-unavailable', retryable: true });
    trace.record({ kind: 'message', name: 'a' });
    await store.settle(busy);
    trace.record({ kind: 'message', name: 'b' });
    const flushed = trace.flush();
    await store.settle();
    await flushed;
    expect(store.written()).toEqual(['a', 'b']);
  });

  it('ends open spans as errors when it closes, and counts what comes later', async () => {
    const store = manualStore();
    const trace = recorder(store);
    const open = trace.start({ kind: 'agent', name: 'slow branch' });
    const closed = trace.close();
    await store.settle();
    await closed;
    open.end();
    trace.record({ kind: 'message', name: 'too late' });
    expect(store.batches.flat()).toMatchObject([{ name: 'slow branch', status: { code: 'error' } }]);
    expect(trace.lateSpans).toBe(2);
  });

  it('refuses a second end and an id that is in use', () => {
    const trace = recorder(manualStore());
    const span = trace.start({ kind: 'agent', name: 'once' });
    expect(() => trace.start({ kind: 'agent', name: 'twin', spanId: span.spanId })).toThrow(/still open/);
    span.end();
    expect(() => span.end()).toThrow(/ended twice/);
  });

  it.each([
    ['an attribute that is NaN', { attributes: { score: Number.NaN } }, /"score"\] must be a finite number; got NaN/],
    ['an infinite item', { attributes: { scores: [1, Number.POSITIVE_INFINITY] } }, /"scores"/],
    ['a mixed array', { attributes: { mixed: [1, 'a'] as never } }, /"mixed"/],
    ['a nested attribute', { attributes: { nested: { a: 1 } as never } }, /"nested"\] must be a string.*flatten/],
    ['a null attribute', { attributes: { nothing: null as never } }, /"nothing"\] must be.*null/],
    ['a bad span id', { spanId: 'XYZ' }, /spanId .*"XYZ"/],
    ['a bad parent id', { parentSpanId: '0000' }, /parentSpanId .*"0000"/],
    ['an empty name', { name: '' }, /span\.name/],
    ['an oversized attribute', { attributes: { page: 'x'.repeat(5_000_000) } }, /"page"\].*at most 4194304 characters/],
  ])('refuses %s when the span begins', (_, span, message) => {
    const trace = recorder(manualStore());
    expect(() => trace.start({ kind: 'model_call', name: 'call', ...span })).toThrow(message);
    expect(() => trace.record({ kind: 'model_call', name: 'call', ...span })).toThrow(
      expect.objectContaining({ code: 'span-invalid' }),
    );
  });

  it.each([
    [
      'misaligned logprobs',
      { logprobs: Float32Array.of(-1) },
      /logprobs must have one value for each of the 2 response tokens; got 1/,
    ],
    ['a NaN logprob', { logprobs: Float32Array.of(-1, Number.NaN) }, /logprobs\[1\].*NaN/],
    ['a positive logprob', { logprobs: Float32Array.of(0.5, -1) }, /logprobs\[0\].*at most 0; got 0.5/],
    ['a negative id', { prompt: Int32Array.of(3, -1) }, /prompt\[1\].*-1/],
    ['plain arrays', { response: [1, 2] as never }, /response must be an Int32Array/],
  ])('refuses tokens with %s', (_, part, message) => {
    const tokens = {
      prompt: Int32Array.of(1, 2, 3),
      response: Int32Array.of(4, 5),
      logprobs: Float32Array.of(-0.5, -0.25),
      ...part,
    };
    const trace = recorder(manualStore());
    const open = trace.start({ kind: 'model_call', name: 'call' });
    expect(() => open.end({ tokens })).toThrow(message);
    expect(() => trace.record({ kind: 'model_call', name: 'call', tokens })).toThrow(
      expect.objectContaining({ code: 'tokens-invalid' }),
    );
  });
});
