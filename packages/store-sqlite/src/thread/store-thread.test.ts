import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { Worker } from 'node:worker_threads';
import {
  ConfigurationError,
  StoreError,
  TimeoutError,
  type AttributeValue,
  type Claim,
  type JsonValue,
  type SpanInput,
} from '@agent-lightning/core';
import { afterEach, beforeEach, describe, expect, it, vi, type MockInstance } from 'vitest';
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from '../index.ts';
import type { ToThread } from './thread-protocol.ts';

let folder: string;
let posted: MockInstance<Worker['postMessage']>;
const opened: SqliteStore[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'store-thread-'));
  posted = vi.spyOn(Worker.prototype, 'postMessage');
});
afterEach(async () => {
  for (const store of opened.splice(0)) await store.close();
  posted.mockRestore();
  rmSync(folder, { recursive: true });
});

async function open(options: Partial<SqliteStoreOptions> = {}): Promise<SqliteStore> {
  const path = join(folder, 'store.db');
  const store = await openSqliteStore({ path, durability: 'normal', watchdogIntervalMs: 0, ...options });
  opened.push(store);
  return store;
}

async function start(store: SqliteStore, rolloutId: string): Promise<Claim> {
  await store.enqueue([{ rolloutId, input: 1 }]);
  return (await store.claim({ workerId: 'w' }))[0] as Claim;
}

function spanWith(changes: Partial<SpanInput>): SpanInput {
  return {
    spanId: '1'.repeat(16),
    traceId: 'a'.repeat(32),
    kind: 'model_call',
    name: 'chat',
    status: { code: 'ok' },
    startTimeMs: 1,
    endTimeMs: 2,
    attributes: {},
    ...changes,
  };
}

function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** The calls of one name that have crossed to the thread. */
function crossed(name: string): readonly Extract<ToThread, { kind: 'call' }>[] {
  const messages = posted.mock.calls.map(([message]) => message as ToThread);
  return messages.flatMap((message) => (message.kind === 'call' && message.name === name ? [message] : []));
}

/** Ends the thread that was called last. */
async function killThread(): Promise<void> {
  await (posted.mock.contexts.at(-1) as unknown as Worker).terminate();
}

describe('an error from the thread', () => {
  it('is of its own class, with its code, whether to retry, and its cause', async () => {
    const store = await open({ maxSizeBytes: 500_000 });
    expect(await rejectionOf(store.cancel('absent'))).toSatisfy(
      (error) => error instanceof StoreError && error.code === 'store-not-found' && !error.retryable,
    );
    const full = await rejectionOf(store.enqueue([{ input: 'x'.repeat(1_000_000) }]));
    expect(full).toBeInstanceOf(StoreError);
    expect(full).toMatchObject({
      name: 'StoreError',
      code: 'store-full',
      retryable: true,
      message: expect.stringContaining(store.path),
      cause: expect.objectContaining({ message: expect.stringContaining('full') }),
      stack: expect.stringContaining('sqlite-errors'),
    });
    expect(await rejectionOf(open({ keepEvents: 1 }))).toBeInstanceOf(ConfigurationError);
  });

  it('keeps the reason of a cancelled wait, whatever it is', async () => {
    const store = await open();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const stop = new AbortController();
    const waiting = rejectionOf(store.waitFor(['a'], { signal: stop.signal }));
    const reason = (): void => undefined; // could not cross to the thread
    stop.abort(reason);
    const error = await waiting;
    expect(error).toBeInstanceOf(TimeoutError);
    expect(error).toMatchObject({ code: 'cancelled', cause: reason });
  });
});

describe('what is handed to the thread', () => {
  it('is refused by field where it is no data, as without a thread', async () => {
    for (const thread of [true, false]) {
      const store = await open({ thread, path: join(folder, `${thread}.db`) });
      const { lease } = await start(store, 'a');
      for (const value of [() => 1, Symbol('mark'), new URL('http://localhost'), new Map([[1, 2]])]) {
        const span = spanWith({ attributes: { fine: 1, odd: value as unknown as AttributeValue } });
        expect(await rejectionOf(store.appendSpans(lease, [span]))).toMatchObject({
          code: 'store-invalid',
          message: expect.stringMatching(/^spans\[0\]\.attributes\["odd"\] must be/),
        });
        const input = { deep: [value as unknown as JsonValue] };
        expect(await rejectionOf(store.enqueue([{ input }]))).toMatchObject({
          code: 'store-invalid',
          message: expect.stringMatching(/^requests\[0\]\.input\.deep\[0\] must be/),
        });
      }
    }
  });

  it('may come with fields that are not the store’s', async () => {
    const store = await open();
    const { lease } = await start(store, 'a');
    const extra = { close: (): void => undefined };
    expect(await store.heartbeat({ ...lease, ...extra })).toMatchObject({ state: 'running' });
    expect(await store.appendSpans({ ...lease, ...extra }, [{ ...spanWith({}), ...extra }])).toEqual([1]);
  });

  it('carries the bytes of a view, not of the buffer behind it, and copies shared memory at once', async () => {
    const store = await open();
    const { lease } = await start(store, 'a');
    const words = new Int32Array(new SharedArrayBuffer(4 * 1_000_000)).fill(7);
    const tokens = {
      prompt: words.subarray(500_000, 500_003),
      response: words.subarray(0, 1),
      logprobs: new Float32Array(1_000_000).subarray(10, 11),
    };
    const writing = store.appendSpans(lease, [spanWith({ tokens })]);
    words.fill(8);
    await writing;
    expect(serialize(crossed('appendSpans')).length).toBeLessThan(2_000);
    const [span] = await store.querySpans({ rolloutIds: ['a'], includeTokens: true });
    expect(span?.tokens).toEqual({
      prompt: Int32Array.of(7, 7, 7),
      response: Int32Array.of(7),
      logprobs: Float32Array.of(0),
    });
  });
});

describe('writes of one turn', () => {
  it('share commits in the thread, too', async () => {
    const store = await open();
    const logSize = (): number => statSync(`${store.path}-wal`).size;
    const write = (name: string): Promise<unknown> => store.enqueue([{ rolloutId: name, input: 1 }]);
    const sizes = [logSize()];
    for (let index = 0; index < 50; index++) await write(`alone-${index}`);
    sizes.push(logSize());
    await Promise.all(Array.from({ length: 50 }, (_, index) => write(`together-${index}`)));
    sizes.push(logSize());
    const [before, alone, together] = sizes as [number, number, number];
    expect(together - alone).toBeLessThan((alone - before) / 2);
  });
});

describe('a subscription', () => {
  it('asks the thread for a batch when its reader has read the one before', async () => {
    const store = await open();
    const events = store.subscribe()[Symbol.asyncIterator]();
    await store.enqueue(Array.from({ length: 1_500 }, (_, index) => ({ rolloutId: `r${index}`, input: 1 })));
    const read = async (count: number): Promise<string | undefined> => {
      let id: string | undefined;
      for (let index = 0; index < count; index++) id = ((await events.next()).value as { id: string }).id;
      return id;
    };
    expect([await read(1), crossed('nextEvents').length]).toEqual(['r0', 1]);
    expect([await read(999), crossed('nextEvents').length]).toEqual(['r999', 1]);
    expect([await read(500), crossed('nextEvents').length]).toEqual(['r1499', 2]);
    await events.return?.();
    expect(await events.next()).toEqual({ done: true, value: undefined });
  });
});

describe('the functions of the caller', () => {
  it('are asked on the caller’s thread', async () => {
    let count = 0;
    const store = await open({ now: () => 1_000_000, generateId: (prefix) => `${prefix}-${++count}` });
    expect(await store.enqueue([{ input: 1 }, { input: 2 }])).toMatchObject([
      { rolloutId: 'ro-1', createdAtMs: 1_000_000 },
      { rolloutId: 'ro-2', createdAtMs: 1_000_000 },
    ]);
    expect((await store.claim({ workerId: 'w' }))[0]?.attempt.attemptId).toBe('at-3');
  });

  it('fail the call that they were asked for, and no other', async () => {
    const answers: (() => unknown)[] = [
      () => NaN,
      () => Promise.resolve(1),
      () => {
        throw new StoreError('no clock', { code: 'store-unavailable', retryable: true });
      },
    ];
    const store = await open({ now: () => (answers.shift()?.() ?? 5) as number });
    expect(await rejectionOf(store.enqueue([{ input: 1 }]))).toMatchObject({
      code: 'store-invalid',
      message: expect.stringContaining('now()'),
    });
    expect(await rejectionOf(store.enqueue([{ input: 1 }]))).toMatchObject({
      message: expect.stringContaining('could not be cloned'),
    });
    const error = await rejectionOf(store.enqueue([{ input: 1 }]));
    expect(error).toBeInstanceOf(StoreError);
    expect(error).toMatchObject({ message: 'no clock', retryable: true });
    expect((await store.enqueue([{ input: 1 }]))[0]?.createdAtMs).toBe(5);
  });
});

describe('a thread that dies', () => {
  it('fails every call under way and later, and loses nothing that was acknowledged', async () => {
    const store = await open();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const events = store.subscribe()[Symbol.asyncIterator]();
    const underWay = [store.waitFor(['a']), store.waitForWork({ queues: ['other'] }), events.next()].map(rejectionOf);
    await store.statistics();
    await killThread();
    for (const error of [...(await Promise.all(underWay)), await rejectionOf(store.statistics())]) {
      expect(error).toBeInstanceOf(StoreError);
      expect(error).toMatchObject({
        code: 'store-unavailable',
        retryable: false,
        message: expect.stringMatching(/store\.db died: it exited with code 1; .*open the store again/),
      });
    }
    await store.close();
    expect(await rejectionOf(store.statistics())).toMatchObject({ code: 'store-closed' });
    expect((await (await open()).getRollout('a'))?.status).toBe('queuing');
  });

  it('says what it died of', async () => {
    const store = await open();
    const waiting = rejectionOf(store.waitForWork({}));
    (posted.mock.contexts.at(-1) as unknown as Worker).postMessage(null); // no message of ours: the thread throws
    expect(await waiting).toMatchObject({
      code: 'store-unavailable',
      message: expect.stringMatching(/died: Cannot read properties of null/),
      cause: expect.any(Error),
    });
  });
});

describe('closing', () => {
  it('answers what was under way first, then ends the thread', async () => {
    const store = await open();
    const writes = Array.from({ length: 600 }, (_, index) => store.enqueue([{ rolloutId: `r${index}`, input: 1 }]));
    const waiting = rejectionOf(store.waitForWork({ queues: ['other'] }));
    const closed = store.close();
    const late = rejectionOf(store.statistics());
    expect((await Promise.all(writes)).flat()).toHaveLength(600);
    await closed;
    for (const error of [await waiting, await late]) expect(error).toMatchObject({ code: 'store-closed' });
    expect((posted.mock.contexts.at(-1) as unknown as Worker).threadId).toBe(-1);
  });
});
