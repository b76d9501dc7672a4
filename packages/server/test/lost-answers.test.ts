import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import {
  rewardNameAttribute,
  rewardValueAttribute,
  type Claim,
  type LightningStore,
  type SpanInput,
} from '@agent-lightning/core';
import { connectStore, MemoryStore, type RemoteStoreOptions } from '@agent-lightning/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startServer, type Server } from '../src/index.ts';
import { TcpProxy } from './tcp-proxy.ts';

let local: MemoryStore;
let server: Server;
let proxy: TcpProxy;
const clients: LightningStore[] = [];

beforeEach(async () => {
  local = new MemoryStore({ watchdogIntervalMs: 0 });
  server = await startServer({ store: local, port: 0 });
  proxy = await TcpProxy.start(server.url);
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await proxy.close();
  await server.close();
  await local.close();
});

function connect(options: Partial<RemoteStoreOptions> = {}): LightningStore {
  const client = connectStore({ url: proxy.url, key: server.adminKey!, ...options });
  clients.push(client);
  return client;
}

/** Cuts the connection instead of the next answers. @returns how often it did */
function loseAnswers(count: number): () => number {
  let lost = 0;
  proxy.onAnswer = () => lost < count && ++lost > 0;
  return () => lost;
}

function reward(index: number): SpanInput {
  return {
    spanId: String(index).padStart(16, '0'),
    traceId: 'a'.repeat(32),
    kind: 'reward',
    name: 'reward',
    status: { code: 'ok' },
    startTimeMs: 1,
    endTimeMs: 2,
    attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: 1 },
  };
}

async function claimOne(store: LightningStore): Promise<Claim> {
  return (await store.claim({ workerId: 'w' }))[0] as Claim;
}

/** Starts another server over the same data, as after a kill. */
async function restart(): Promise<void> {
  const { adminKey } = server;
  await server.close();
  const { KeyRing } = await import('../src/index.ts');
  const keys = new KeyRing();
  await keys.add({ role: 'admin', key: adminKey! });
  server = await startServer({ store: local, port: 0, keys });
  Object.assign(server, { adminKey });
  proxy.retarget(server.url);
}

describe('a write whose answer is lost', () => {
  it.each([
    ['enqueue without ids', (store: LightningStore) => store.enqueue([{ input: 1 }, { input: 2 }])],
    ['claim', (store: LightningStore) => store.claim({ workerId: 'w', limit: 2 })],
    ['putResources', (store: LightningStore) => store.putResources('prompts', {})],
  ])('is sent again and done once: %s', async (_name, write) => {
    const store = connect();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const lost = loseAnswers(3);
    const reply = await write(store);
    expect(lost()).toBe(3);
    const { rollouts, attempts } = await local.statistics();
    const once = connect();
    expect(reply).toBeDefined();
    // A second store that is asked once has as much as this one that was asked four times.
    const twin = new MemoryStore({ watchdogIntervalMs: 0 });
    await twin.enqueue([{ rolloutId: 'a', input: 1 }]);
    await write(twin);
    expect({ rollouts, attempts }).toMatchObject({
      rollouts: (await twin.statistics()).rollouts,
      attempts: (await twin.statistics()).attempts,
    });
    expect((await once.getResources('prompts'))?.version).toBe((await twin.getResources('prompts'))?.version);
    await twin.close();
  });

  it('counts no reward twice', async () => {
    const store = connect();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(store);
    const lost = loseAnswers(3);
    expect(await store.appendSpans(lease, [reward(1)])).toEqual([1]);
    expect((await store.complete(lease)).status).toBe('succeeded');
    expect(await store.addReward('a', reward(2))).toBe(2);
    expect(lost()).toBe(3);
    expect(await local.querySpans({ rolloutIds: ['a'] })).toHaveLength(2);
  });

  it('is sent to the server that was started again: spans and claims count once, and of resources it is said that nobody knows', async () => {
    const store = connect();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(store);
    const lostOnce = async (write: () => Promise<unknown>): Promise<unknown> => {
      const restarted = Promise.withResolvers<void>();
      proxy.onAnswer = () => {
        proxy.onAnswer = () => false;
        restart().then(restarted.resolve, restarted.reject);
        return true;
      };
      const reply = write().catch((error: unknown) => error);
      await restarted.promise;
      return reply;
    };
    expect(await lostOnce(() => store.appendSpans(lease, [reward(1)]))).toEqual([1]);
    expect(await lostOnce(() => store.putResources('prompts', {}))).toMatchObject({
      code: 'store-unavailable',
      retryable: true,
      message: expect.stringContaining('not known whether the resources were put'),
    });
    expect((await local.getResources('prompts'))?.version).toBe(1);
    expect(await local.querySpans({ rolloutIds: ['a'] })).toHaveLength(1);
  });
});

describe('a server that is away', () => {
  it('is waited for, and each call says so in the end', async () => {
    const store = connect({ outageMs: 60 });
    await store.statistics();
    proxy.onAnswer = () => true;
    await expect(store.statistics()).rejects.toMatchObject({ code: 'store-unavailable', retryable: true });
    const waiting = store.waitFor(['a']);
    await expect(waiting).rejects.toMatchObject({ code: 'store-unavailable', retryable: true });
    proxy.onAnswer = () => false;
    expect((await store.statistics()).spans).toBe(0);
  });

  it('ends no wait and no subscription when it comes back', async () => {
    const store = connect();
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const events = store.subscribe()[Symbol.asyncIterator]();
    const waiting = store.waitFor(['a']);
    const event = events.next();
    await store.statistics();
    proxy.cut();
    await restart();
    await local.cancel('a');
    expect((await waiting)[0]?.status).toBe('cancelled');
    expect((await event).value).toMatchObject({ id: 'a', status: 'cancelled' });
    await events.return?.();
  });

  it('is not waited for when it refuses the key, or is no server of ours', async () => {
    const wrong = connectStore({ url: server.url, key: 'wrong' });
    clients.push(wrong);
    await expect(wrong.statistics()).rejects.toMatchObject({
      name: 'StoreError',
      code: 'unauthorized',
      retryable: false,
    });
    expect(() => connectStore({ url: 'ftp://nowhere' })).toThrow(/http or https address/);
    expect(() => connectStore({ url: 'http://:100%@nowhere' })).toThrow(/connectStore: the key .* write it as %25/);
  });
});

it('a store that is closed while the server is away waits for it once, however many calls there are', async () => {
  const tries = new Map<string, number>();
  const triedTwice = Promise.withResolvers<void>();
  const silent = createServer(async (request) => {
    const { calls } = (await json(request)) as { calls: { arguments: { rolloutId: string } }[] };
    const id = calls[0]!.arguments.rolloutId;
    tries.set(id, (tries.get(id) ?? 0) + 1);
    if (tries.get(id) === 2) triedTwice.resolve();
    request.socket.destroy();
  });
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const store = connectStore({ url, outageMs: 200 });
  const ends = Promise.allSettled(Array.from({ length: 600 }, (_item, index) => store.cancel(`r${index}`)));
  await triedTwice.promise;
  await store.close();
  expect((await ends).every(({ status }) => status === 'rejected')).toBe(true);
  expect([...tries.keys()]).toEqual(['r0', 'r256', 'r512']);
  expect([tries.get('r256'), tries.get('r512')]).toEqual([1, 1]);
  await new Promise((resolve) => silent.close(resolve));
});

describe('an outbox', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'outbox-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  /** Cuts every answer from now on. Resolves at one that comes when so many calls are kept: those are asked again and again. */
  function cutUntilKept(count: number): Promise<void> {
    const isKept = Promise.withResolvers<void>();
    proxy.onAnswer = () => {
      if (readdirSync(folder).length >= count) isKept.resolve();
      return true;
    };
    return isKept.promise;
  }

  it('keeps the writes of an attempt in files while the server is away, and removes them when they are delivered', async () => {
    const store = connect({ outageMs: 20, outbox: { directory: folder } });
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(store);
    const isKept = cutUntilKept(1);
    const writes = Promise.all([store.appendSpans(lease, [reward(1)]), store.complete(lease)]);
    await isKept;
    proxy.onAnswer = () => false;
    expect((await writes)[1].status).toBe('succeeded');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is delivered by the next process, in order, and what the server refuses for good is dropped', async () => {
    const first = connect({ outageMs: 20, outbox: { directory: folder } });
    await first.enqueue([
      { rolloutId: 'a', input: 1 },
      { rolloutId: 'b', input: 1 },
    ]);
    const [a, b] = (await first.claim({ workerId: 'w', limit: 2 })) as [Claim, Claim];
    const isKept = cutUntilKept(1);
    const given = [first.appendSpans(a.lease, [reward(1)]), first.complete(a.lease), first.complete(b.lease)];
    const ends = Promise.allSettled(given);
    await isKept;
    await first.close();
    expect((await ends).every(({ status }) => status === 'rejected')).toBe(true);
    proxy.onAnswer = () => false;
    const second = connect({ outbox: { directory: folder } });
    expect((await second.waitFor(['a', 'b'])).map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
    expect(await local.querySpans({ rolloutIds: ['a'] })).toHaveLength(1);
    await second.statistics();
    expect(existsSync(folder) && readdirSync(folder)).toEqual([]);
  });

  it('also keeps what is written while the server is away, and what waits behind that', async () => {
    const first = connect({ outageMs: 20, outbox: { directory: folder } });
    await first.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(first);
    const areKept = cutUntilKept(2);
    const writes = [first.appendSpans(lease, [reward(1)])];
    // Its request is not answered yet: this one waits behind it.
    await new Promise(setImmediate);
    const later = first.appendSpans(lease, [reward(2)]);
    await areKept;
    // It is kept at once: this process may be killed now.
    const end = first.complete(lease);
    expect(readdirSync(folder)).toHaveLength(3);
    const ends = Promise.allSettled([...writes, later, end]);
    await first.close();
    await ends;
    proxy.onAnswer = () => false;
    const second = connect({ outbox: { directory: folder } });
    expect((await second.waitFor(['a'])).map(({ status }) => status)).toEqual(['succeeded']);
    expect(await local.querySpans({ rolloutIds: ['a'] })).toHaveLength(2);
  });

  it('lets go, after outageMs, of what it does not keep, together with what it keeps or behind it', async () => {
    const store = connect({ outageMs: 20, outbox: { directory: folder } });
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(store);
    proxy.onAnswer = () => true;
    const end = store.complete(lease);
    const together = store.enqueue([{ rolloutId: 'b', input: 1 }]);
    await new Promise(setImmediate);
    const behind = store.putResources('prompts', {});
    for (const call of [together, behind])
      await expect(call).rejects.toMatchObject({ code: 'store-unavailable', retryable: true });
    expect(readdirSync(folder)).toHaveLength(1);
    proxy.onAnswer = () => false;
    expect((await end).status).toBe('succeeded');
    expect(await local.getResources('prompts')).toBeUndefined();
  });

  it('puts a file aside that is no call, so that it spoils no others', async () => {
    writeFileSync(join(folder, '000-1-999999999.call.json'), '{"operation":"comp');
    const store = connect({ outbox: { directory: folder } });
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(store);
    expect((await store.complete(lease)).status).toBe('succeeded');
    expect(readdirSync(folder)).toEqual(['000-1-999999999.call.json.broken']);
  });

  it('keeps no more than its bytes: what finds no room waits in memory for as long as without one', async () => {
    const store = connect({ outageMs: 20, outbox: { directory: folder, maxBytes: 10 } });
    await store.enqueue([{ rolloutId: 'a', input: 1 }]);
    const { lease } = await claimOne(store);
    proxy.onAnswer = () => true;
    await expect(store.complete(lease)).rejects.toMatchObject({ code: 'store-unavailable', retryable: true });
    expect(readdirSync(folder)).toEqual([]);
  });
});
