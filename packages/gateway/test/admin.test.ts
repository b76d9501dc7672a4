import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { attributeNames as names } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { connectGateway, Gateway, type GatewayLogEntry, type RemoteGateway } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { TcpProxy } from '../../server/test/tcp-proxy.ts';
import { clientFor, onStop, startHarness, stopAll, until } from './harness.ts';

afterEach(stopAll);
const adminKey = 'a'.repeat(32);
const body = { model: 'policy', messages: [{ role: 'user' as const, content: 'hi' }] };

const routes = [
  ['POST', '/admin/pause'],
  ['POST', '/admin/resume'],
  ['GET', '/admin/policies'],
  ['POST', '/admin/routes'],
  ['POST', '/admin/policies/policy'],
  ['POST', '/admin/policies/policy/drained'],
  ['POST', '/admin/staleness'],
  ['GET', '/admin/attempts'],
  ['POST', '/admin/attempts'],
  ['DELETE', '/admin/attempts/r/a'],
] as const;

describe('the operator’s routes', () => {
  it('are closed to attempts’ keys, dead keys and no key, and where no admin key is configured', async () => {
    const { gateway, endpoint, finish } = await startHarness({ adminKey });
    const open = await startHarness();
    const ask = (url: string, [method, path]: readonly [string, string], key?: string): Promise<number> =>
      fetch(`${url}${path}`, {
        method,
        headers: key === undefined ? {} : { 'x-api-key': key },
      }).then((reply) => reply.status);
    for (const route of routes) {
      expect(await ask(gateway.url, route)).toBe(401);
      expect(await ask(gateway.url, route, endpoint.apiKey)).toBe(401);
      expect(await ask(open.gateway.url, route, open.endpoint.apiKey)).toBe(403);
    }
    await finish();
    for (const route of routes) expect(await ask(gateway.url, route, endpoint.apiKey)).toBe(401);
    expect(await ask(gateway.url, ['GET', '/admin/attempts'], adminKey)).toBe(200);
    expect(await ask(gateway.url, ['GET', '/admin/nothing'], adminKey)).toBe(404);
    expect(await ask(gateway.url, ['PUT', '/admin/pause'], adminKey)).toBe(405);
  });

  it('publish to configured upstreams only, and list models without their keys', async () => {
    const server = await startModelServer({ apiKey: 'canary-upstream-key', respond: () => 'hello' });
    onStop(() => server.close());
    const { gateway, client } = await startHarness({
      adminKey,
      upstreams: { vllm: { baseUrl: server.baseUrl, apiKey: 'canary-upstream-key' } },
      models: { own: { baseUrl: 'http://user:canary-password@127.0.0.1:9/v1' } },
    });
    const remote = connectGateway({ url: gateway.url, adminKey });
    await remote.publish('policy', { version: 7, upstream: 'vllm', model: 'agl-v7' });
    expect((await client.chat.completions.create(body)).choices[0]?.message.content).toBe('hello');
    await expect(
      remote.publish('policy', { version: 8, upstream: 'http://169.254.169.254/v1', model: 'x' }),
    ).rejects.toMatchObject({ message: expect.stringContaining('there are: vllm') });
    const listed = await fetch(`${gateway.url}/admin/policies`, { headers: { 'x-api-key': adminKey } });
    const text = await listed.text();
    expect(JSON.parse(text)).toEqual({
      models: [
        { name: 'own', kind: 'passthrough', calls: 0, model: 'own', servers: ['http://127.0.0.1:9/v1'] },
        { name: 'policy', kind: 'policy', calls: 0, version: 7, model: 'agl-v7', servers: [server.baseUrl] },
      ],
    });
    expect(text).not.toContain('canary');
  });

  it('open and close attempts for a runner in another process', async () => {
    const { gateway, store } = await startHarness({ adminKey });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const remote = connectGateway({ url: gateway.url, adminKey });
    await store.enqueue([{ input: null, mode: 'val' }]);
    const [claim] = await store.claim({ workerId: 'elsewhere' });
    if (claim === undefined) throw new Error('nothing to claim');
    const endpoint = await remote.openAttempt(claim);
    expect(endpoint).toMatchObject({ model: 'policy', sampling: { temperature: 0 } });
    await clientFor(endpoint).chat.completions.create(body);
    const listed = await fetch(`${gateway.url}/admin/attempts`, { headers: { 'x-api-key': adminKey } });
    expect(await listed.json()).toMatchObject({
      attempts: [{}, { attempt_id: claim.attempt.attemptId, in_flight: 0 }],
    });
    await remote.closeAttempt(claim);
    const spans = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId], includeTokens: true });
    expect(spans[0]?.tokens?.response).toHaveLength(2);
    await expect(clientFor(endpoint).chat.completions.create(body)).rejects.toMatchObject({ status: 403 });
    await expect(remote.openAttempt({ ...claim, rollout: { ...claim.rollout, mode: 'x' as 'val' } })).rejects.toThrow(
      /`mode`/u,
    );
  });

  describe('of a gateway that was started again', () => {
    async function startAgain(): Promise<{
      remote: RemoteGateway;
      store: MemoryStore;
      listed: () => Promise<unknown>;
    }> {
      const store = new MemoryStore();
      const upstreams = { vllm: { baseUrl: 'http://127.0.0.1:9/v1' } };
      const first = await Gateway.start({ store, adminKey, upstreams });
      const remote = connectGateway({ url: first.url, adminKey });
      await remote.publish('policy', { version: 6, upstream: 'vllm', model: 'agl-v6' });
      await remote.publish('policy', { version: 7, upstream: 'vllm', model: 'agl-v7' });
      await remote.setStaleness({ maxStaleness: 3 });
      await first.close();
      const second = await Gateway.start({ store, adminKey, upstreams, port: Number(new URL(first.url).port) });
      onStop(async () => {
        await second.close();
        await store.close();
      });
      const listed = async (): Promise<unknown> =>
        (await fetch(`${second.url}/admin/policies`, { headers: { 'x-api-key': adminKey } })).json();
      return { remote, store, listed };
    }

    it('are told again what they were told, before an attempt opens there', async () => {
      const { remote, store, listed } = await startAgain();
      await store.enqueue([{ input: null }]);
      const [claim] = await store.claim({ workerId: 'elsewhere' });
      // A connection that was kept from before may be found broken, as a runner finds it.
      await remote.openAttempt(claim!).catch(() => remote.openAttempt(claim!));
      expect(await listed()).toMatchObject({ models: [{ name: 'policy', version: 7, model: 'agl-v7' }] });
    });

    it('are not told again what the request replaces by which that was found out', async () => {
      const { remote, listed } = await startAgain();
      const newest = { version: 8, upstream: 'vllm', model: 'agl-v8' };
      await remote.publish('policy', newest).catch(() => remote.publish('policy', newest));
      expect(await listed()).toMatchObject({ models: [{ name: 'policy', version: 8, model: 'agl-v8' }] });
    });

    it('are told what they were told before a request that was refused', async () => {
      const { remote, listed } = await startAgain();
      const wrong = { version: 8, upstream: 'nobody', model: 'agl-v8' };
      const publish = (): Promise<void> => remote.publish('policy', wrong);
      await expect(publish().catch(publish)).rejects.toMatchObject({ code: 'request-invalid' });
      await remote.resume();
      expect(await listed()).toMatchObject({ models: [{ name: 'policy', version: 7, model: 'agl-v7' }] });
    });
  });

  it('say when a version that was replaced has no call any more', async () => {
    const { gateway, client } = await startHarness({ adminKey });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine = new FakeEngine({ before: (_event, call) => (call === 0 ? held : undefined) });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const running = client.chat.completions.create(body);
    await until(() => engine.requests.length === 1);
    const remote = connectGateway({ url: gateway.url, adminKey });
    expect(await remote.drained('policy', 1, 0)).toBe(false);
    gateway.publish('policy', { kind: 'engine', version: 2, engine });
    expect(await remote.drained('policy', 1, 0)).toBe(false);
    const drained = remote.drained('policy', 1);
    release();
    expect(await drained).toBe(true);
    expect((await running).system_fingerprint).toBe('version-1');
    expect(await remote.drained('policy', 2, 0)).toBe(false);
    await expect(remote.drained('policy', -1)).rejects.toThrow(/`version`/u);
  });

  it('set how far a policy may move on during an attempt, for calls from then on', async () => {
    const { gateway, client, finish } = await startHarness({ adminKey });
    const engine = new FakeEngine();
    const callOn = (version: number): Promise<unknown> => {
      gateway.publish('policy', { kind: 'engine', version, engine });
      return client.chat.completions.create(body);
    };
    const remote = connectGateway({ url: gateway.url, adminKey });
    await callOn(1);
    await callOn(3);
    await remote.setStaleness({ maxStaleness: 1 });
    await callOn(4);
    await remote.setStaleness({ onStale: 'refuse' });
    await expect(callOn(5)).rejects.toMatchObject({ status: 409, code: 'policy-moved-on' });
    await remote.setStaleness({ maxStaleness: Number.POSITIVE_INFINITY });
    await callOn(6);
    const spans = await finish();
    expect(spans.map((span) => span.attributes[names.policyVersion])).toEqual([1, 3, 4, 6]);
    expect(spans.map((span) => names.untrainable in span.attributes)).toEqual([false, false, true, false]);
    await expect(remote.setStaleness({ maxStaleness: Number.NaN })).rejects.toMatchObject({ code: 'option-invalid' });
    for (const [fields, field] of [
      [{}, 'max_staleness'],
      [{ max_staleness: 1.5 }, 'max_staleness'],
      [{ max_staleness: -1 }, 'max_staleness'],
      [{ on_stale: 'drop' }, 'on_stale'],
    ] as const) {
      const reply = await fetch(`${gateway.url}/admin/staleness`, {
        method: 'POST',
        body: JSON.stringify(fields),
        headers: { 'x-api-key': adminKey, 'content-type': 'application/json' },
      });
      expect([reply.status, await reply.json()]).toMatchObject([400, { error: { param: field } }]);
    }
  });

  it('pause with a drain, and resume', async () => {
    const { gateway, client } = await startHarness({ adminKey });
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const engine = new FakeEngine({ before: () => held });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const remote = connectGateway({ url: gateway.url, adminKey });
    const running = client.chat.completions.create(body);
    await until(() => engine.requests.length === 1);
    expect(await remote.pause({ drainMs: 20, retryAfterSeconds: 3 })).toBe(1);
    await expect(client.chat.completions.create(body)).rejects.toMatchObject({ status: 429 });
    release();
    await running;
    await remote.resume();
    await client.chat.completions.create(body);
  });

  it('pause while 1,000 calls are in flight: none is killed, and none begins before they resume', async () => {
    const { gateway, post } = await startHarness({ adminKey, maxAttemptCalls: 1_001 });
    let finishAll = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finishAll = resolve;
    });
    const engine = new FakeEngine({ before: () => held });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const running = Array.from({ length: 1_000 }, async () => {
      const response = await post(body);
      await response.arrayBuffer();
      return response.status;
    });
    await until(() => engine.requests.length === 1_000);
    const remote = connectGateway({ url: gateway.url, adminKey });
    const paused = remote.pause({ drainMs: 600_000 });
    await until(() => gateway.isPaused);
    const later = post(body).then((response) => response.status);
    finishAll();
    expect(await paused).toBe(0);
    expect(new Set(await Promise.all(running))).toEqual(new Set([200]));
    expect(engine.requests).toHaveLength(1_000);
    await remote.resume();
    expect(await later).toBe(200);
    expect(engine.requests).toHaveLength(1_001);
    expect(gateway.statistics.calls).toEqual({ ok: 1_001, incomplete: 0, failed: 0 });
  });

  it('say what is wrong with a request or the connection', async () => {
    const { gateway } = await startHarness({ adminKey });
    await expect(connectGateway({ url: gateway.url, adminKey: 'wrong' }).resume()).rejects.toMatchObject({
      code: 'unauthorized',
    });
    await expect(connectGateway({ url: 'http://127.0.0.1:1', adminKey }).resume()).rejects.toMatchObject({
      code: 'upstream-failed',
      retryable: true,
    });
    expect(() => connectGateway({ url: 'ftp://x', adminKey })).toThrow(/http or https/u);
  });

  it('show nobody the key that a server in between repeats', async () => {
    const server = createServer(({ headers }, response) => {
      response.writeHead(403).end(JSON.stringify({ error: { message: `not for ${headers.authorization}` } }));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const refused: unknown = await connectGateway({ url, adminKey })
      .resume()
      .catch((error: unknown) => error);
    server.close();
    expect(inspect(refused)).toContain('not for Bearer [key]');
    expect(inspect(refused)).not.toContain(adminKey);
  });
});

describe('the log', () => {
  it('tells what happens in one entry each, and holds no key or text', async () => {
    const entries: GatewayLogEntry[] = [];
    const { gateway, client, endpoint, post, finish } = await startHarness({ log: (entry) => entries.push(entry) });
    gateway.publish('policy', { kind: 'engine', version: 4, engine: new FakeEngine() });
    await client.chat.completions.create({ ...body, messages: [{ role: 'user', content: 'canary-prompt' }] });
    await fetch(`${endpoint.baseUrl}/models?key=canary-key`, { headers: { authorization: 'Bearer canary-key' } });
    for (const text of ['{"messages":"canary-prompt', JSON.stringify({ ...body, temperature: 'canary-prompt' })])
      expect((await post(text)).status).toBe(400);
    await finish();
    expect(entries.map(({ event, level }) => [event, level])).toEqual([
      ['attempt-opened', 'info'],
      ['published', 'info'],
      ['call', 'info'],
      ['rejected', 'warn'],
      ['rejected', 'warn'],
      ['rejected', 'warn'],
      ['attempt-closed', 'info'],
    ]);
    expect(entries[2]).toMatchObject({
      model: 'policy',
      policy_version: 4,
      status: 'ok',
      dialect: 'chat',
      output_tokens: 2,
    });
    expect(entries[5]).toMatchObject({ method: 'POST', status: 400, code: 'request-invalid', param: 'temperature' });
    const text = JSON.stringify(entries);
    for (const secret of ['canary', endpoint.apiKey, 'hello world']) expect(text).not.toContain(secret);
  });

  it('harms no call when it throws', async () => {
    const { gateway, client } = await startHarness({
      log: () => {
        throw new Error('the log is broken');
      },
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    expect((await client.chat.completions.create(body)).choices[0]?.message.content).toBe('hello world');
  });
});

describe('a gateway that closes', () => {
  it('lets calls in flight finish and sends new ones away', async () => {
    const { store } = await startHarness();
    const gateway = await Gateway.start({ store });
    await store.enqueue([{ input: null }]);
    const [claim] = await store.claim({ workerId: 'test' });
    if (claim === undefined) throw new Error('nothing to claim');
    let finishCall = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      finishCall = resolve;
    });
    let asked = 0;
    const engine = new FakeEngine({
      before: () => {
        asked += 1;
        return held;
      },
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine });
    const client = clientFor(await gateway.openAttempt(claim));
    const running = client.chat.completions.create(body);
    const kept = client.models.list();
    await kept;
    await until(() => asked === 1);
    const closed = gateway.close({ drainMs: 600_000 });
    await expect(client.chat.completions.create(body)).rejects.toThrow();
    finishCall();
    expect((await running).choices[0]?.message.content).toBe('hello world');
    await closed;
    const [span] = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId] });
    expect(span?.attributes).not.toHaveProperty(names.incomplete);
  });
});

describe('the opening of an attempt whose answer was lost', () => {
  it('is repeated for a further key, and the one that comes late is good too', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    onStop(() => store.close());
    const gateway = await Gateway.start({ store, adminKey });
    onStop(() => gateway.close());
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const proxy = await TcpProxy.start(gateway.url);
    onStop(() => proxy.close());
    await store.enqueue([{ input: 'hi' }]);
    const [claim] = await store.claim({ workerId: 'w' });
    const remote = connectGateway({ url: proxy.url, adminKey });
    let lost = 0;
    proxy.onAnswer = () => lost++ === 0;
    const opening = remote.openAttempt(claim!);
    await expect(opening).rejects.toMatchObject({ code: 'upstream-failed', retryable: true });
    const first = await remote.openAttempt(claim!);
    const endpoint = await remote.openAttempt(claim!);
    const direct = (apiKey: string) => clientFor({ ...endpoint, apiKey });
    expect((await direct(first.apiKey).chat.completions.create(body)).choices).toHaveLength(1);
    // The key that was used must have arrived: who opens the attempt once more is another one.
    await expect(remote.openAttempt(claim!)).rejects.toMatchObject({
      code: 'request-invalid',
      message: expect.stringContaining('is open and called'),
    });
    expect((await direct(endpoint.apiKey).chat.completions.create(body)).choices).toHaveLength(1);
    await remote.closeAttempt(claim!);
    for (const { apiKey } of [first, endpoint])
      await expect(direct(apiKey).chat.completions.create(body)).rejects.toMatchObject({ status: 403 });
    expect(await store.querySpans({ rolloutIds: [claim!.rollout.rolloutId] })).toHaveLength(2);
  });
});
