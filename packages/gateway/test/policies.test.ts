import { attributeNames as names, failureKinds } from '@agent-lightning/core';
import { startModelServer, type ModelServer, type ModelServerOptions } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);
const messages = [{ role: 'user' as const, content: 'hi' }];
const failing: NonNullable<ModelServerOptions['respond']> = () => ({ fault: { type: 'status', status: 500 } });

async function startServer(respond?: ModelServerOptions['respond']): Promise<ModelServer> {
  const server = await startModelServer(respond === undefined ? {} : { respond });
  onStop(() => server.close());
  return server;
}

async function startReplicas(
  count: number,
  healthIntervalMs = 60_000,
): Promise<Harness & { servers: readonly ModelServer[] }> {
  const harness = await startHarness({ healthIntervalMs });
  const servers = await Promise.all(Array.from({ length: count }, () => startServer()));
  const [first, ...others] = servers.map((server) => server.baseUrl);
  harness.gateway.publish('policy', {
    kind: 'openai',
    version: 1,
    baseUrl: first ?? '',
    replicas: others,
    model: 'm',
  });
  return { ...harness, servers };
}

const chats = (server: ModelServer): number => server.calls.filter((call) => call.method === 'POST').length;

describe('several servers of one policy', () => {
  it('share the rollouts, and keep each rollout on one', async () => {
    const { open, finish, servers } = await startReplicas(3);
    // Ports differ from run to run, and with them the shares: one of three servers gets none of 40 once in millions of runs.
    for (let rollout = 0; rollout < 40; rollout += 1) {
      const { client, claim } = await open('train', `r${rollout}`);
      for (let call = 0; call < 3; call += 1) await client.chat.completions.create({ model: 'policy', messages });
      const spans = await finish(claim);
      expect(new Set(spans.map((span) => span.attributes[names.upstream])).size).toBe(1);
    }
    expect(servers.map(chats).every((count) => count > 0 && count % 3 === 0)).toBe(true);
  });

  it('stand in for one that fails, which leaves after three failures', async () => {
    const { open, servers, gateway } = await startReplicas(2);
    const { client } = await open('train', 'r0');
    await client.chat.completions.create({ model: 'policy', messages });
    const [home, other] = servers.toSorted((a, b) => chats(b) - chats(a)) as [ModelServer, ModelServer];
    home.respondWith(failing);
    for (let call = 0; call < 6; call += 1) await client.chat.completions.create({ model: 'policy', messages });
    expect([home, other].map(chats)).toEqual([1 + 3, 6]);
    expect(gateway.statistics).toMatchObject({ calls: { ok: 7, failed: 0 }, absentServers: 1 });
  });

  it('get back one that is well again', async () => {
    const { open, servers, gateway } = await startReplicas(2, 5);
    const { client } = await open('train', 'r0');
    await client.chat.completions.create({ model: 'policy', messages });
    const home = servers.find((server) => chats(server) === 1);
    home?.respondWith(failing);
    while (gateway.statistics.absentServers === 0) await client.chat.completions.create({ model: 'policy', messages });
    home?.respondWith(() => 'back');
    await until(() => gateway.statistics.absentServers === 0);
    const reply = await client.chat.completions.create({ model: 'policy', messages });
    expect(reply.choices[0]?.message.content).toBe('back');
  });
});

describe('a model of the user’s own', () => {
  it('is passed through as it is asked, traced, and never trained on', async () => {
    const server = await startServer(() => 'from afar');
    const { client, finish, gateway } = await startHarness({
      models: { 'gpt-own': { baseUrl: server.baseUrl, apiKey: 'own-key', model: 'gpt-5' } },
    });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    expect((await client.models.list()).data.map((model) => model.id)).toEqual(['gpt-own', 'policy']);
    const reply = await client.chat.completions.create({ model: 'gpt-own', messages, temperature: 0.2, top_p: 0.5 });
    expect(reply.choices[0]?.message.content).toBe('from afar');
    expect(server.calls[0]?.headers.authorization).toBe('Bearer own-key');
    expect(server.calls[0]?.body).toEqual({ model: 'gpt-5', messages, temperature: 0.2, top_p: 0.5 });
    const [span] = await finish();
    expect(span?.attributes[names.untrainable]).toMatch(/^passthrough/u);
    expect(span?.attributes).not.toHaveProperty(names.policyVersion);
    expect(JSON.stringify(span)).not.toContain('own-key');
  });

  it('cannot be published over, nor have the policy’s name', async () => {
    const models = { own: { baseUrl: 'http://127.0.0.1:9/v1' } };
    const { gateway, store } = await startHarness({ models });
    const snapshot = { kind: 'engine' as const, version: 1, engine: new FakeEngine() };
    expect(() => gateway.publish('own', snapshot)).toThrow(/user's own/u);
    const taken = startHarness({ models: { policy: { baseUrl: 'http://127.0.0.1:9/v1' } } });
    await expect(taken).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(startHarness({ models: { a: { baseUrl: 'file:///etc' } } })).rejects.toMatchObject({
      code: 'option-invalid',
    });
    expect(store).toBeDefined();
  });
});

describe('embeddings', () => {
  it('are passed to the model’s server and back, and not captured', async () => {
    const server = await startServer();
    const { client, gateway, finish } = await startHarness({ models: { embed: { baseUrl: server.baseUrl } } });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const reply = await client.embeddings.create({ model: 'embed', input: ['ab', 'abcd'], encoding_format: 'float' });
    expect(reply.data.map((item) => item.embedding)).toEqual([
      [2, -1],
      [4, -1],
    ]);
    await expect(client.embeddings.create({ model: 'policy', input: 'a' })).rejects.toMatchObject({
      status: 400,
      param: 'model',
    });
    await expect(client.embeddings.create({ model: 'none', input: 'a' })).rejects.toMatchObject({ status: 404 });
    expect(await finish()).toEqual([]);
  });
});

describe('a gateway without a policy', () => {
  it('asks clients to try again, and says of unknown models what there is once it has one', async () => {
    const { client, gateway } = await startHarness();
    const call = (model: string): Promise<unknown> => client.chat.completions.create({ model, messages });
    const refused: unknown = await call('policy').catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 503, code: 'paused', message: '503 no policy is published yet' });
    expect(failureKinds.of({ code: failureKinds.codeOf(refused), message: '' })).toBe('world');
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    await call('policy');
    await expect(call('none')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe('an attempt that outlives its version', () => {
  const engine = new FakeEngine();
  async function callAcrossVersions(
    options: Parameters<typeof startHarness>[0],
  ): Promise<Harness & { last: Promise<unknown> }> {
    const harness = await startHarness(options);
    const call = (): Promise<unknown> => harness.client.chat.completions.create({ model: 'policy', messages });
    for (const version of [3, 4]) {
      harness.gateway.publish('policy', { kind: 'engine', version, engine });
      await call();
    }
    harness.gateway.publish('policy', { kind: 'engine', version: 5, engine });
    return { ...harness, last: call() };
  }

  it('has every call stamped, and those that are too far on kept out of training', async () => {
    const { last, finish, gateway } = await callAcrossVersions({ maxStaleness: 1 });
    await last;
    const spans = await finish();
    expect(spans.map((span) => span.attributes[names.policyVersion])).toEqual([3, 4, 5]);
    expect(spans.map((span) => names.untrainable in span.attributes)).toEqual([false, false, true]);
    expect(spans[2]?.attributes[names.untrainable]).toContain('from version 3 to 5');
    expect(gateway.statistics.untrainable).toEqual({ stale: 1 });
  });

  it('is refused where the hook says so', async () => {
    const seen: unknown[] = [];
    const { last } = await callAcrossVersions({
      maxStaleness: 1,
      onStale: (call) => {
        seen.push(call);
        return 'refuse';
      },
    });
    await expect(last).rejects.toMatchObject({ status: 409, code: 'policy-moved-on' });
    expect(seen).toMatchObject([{ policy: 'policy', firstVersion: 3, version: 5 }]);
  });

  it('may go on without a bound by default', async () => {
    const { last, finish } = await callAcrossVersions({});
    await last;
    expect((await finish()).every((span) => !(names.untrainable in span.attributes))).toBe(true);
  });
});
