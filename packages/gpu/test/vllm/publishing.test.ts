import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PolicySnapshot } from '@agent-lightning/core';
import { startFakeVllm, type FakeVllm, type FakeVllmFlags } from '../fakes/fake-vllm.ts';
import { afterEach, describe, expect, it } from 'vitest';
import { startFleet, startServers, stopAll, until } from './fleet-harness.ts';

afterEach(stopAll);

type OpenAiSnapshot = Extract<PolicySnapshot, { kind: 'openai' }>;

const ask = (server: FakeVllm, snapshot: PolicySnapshot): Promise<Response> =>
  fetch(`${server.baseUrl}/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ model: (snapshot as OpenAiSnapshot).model, messages: [{ role: 'user', content: 'hi' }] }),
  });
const eventsOf = (server: FakeVllm): string[] =>
  server.adapterEvents.map(({ type, name }) => `${type} ${name.replace(/^agl-[0-9a-f]{8}-/, '')}`);

describe('publishing to vLLM', () => {
  it('gives every version a name of its own, on every replica, before it is released', async () => {
    const servers = await startServers(2, { apiKey: 'secret' });
    const { fleet, files } = await startFleet(servers, { apiKey: 'secret' });
    const first = (await fleet.publish(await files('writer', 1))) as OpenAiSnapshot;
    const second = (await fleet.publish(await files('writer', 2))) as OpenAiSnapshot;
    expect(first).toEqual({
      kind: 'openai',
      version: 1,
      baseUrl: servers[0]?.baseUrl,
      replicas: [servers[1]?.baseUrl],
      model: expect.stringMatching(/^agl-[0-9a-f]{8}-writer-v1$/),
      apiKey: 'secret',
      watch: { awaitServers: expect.any(Function), reportFailure: expect.any(Function) },
    });
    expect(second.model).toMatch(/-writer-v2$/);
    for (const server of servers) {
      expect(server.adapters).toEqual([first.model, second.model]);
      const probes = server.calls.filter(
        ({ path, body }) => /completions/.test(path) && /agl-/.test(JSON.stringify(body)),
      );
      expect(probes.map(({ body }) => (body as { model: string }).model)).toEqual([first.model, second.model]);
    }
    expect(fleet.baseSnapshot()).toMatchObject({ kind: 'openai', version: 0, model: 'base-model', apiKey: 'secret' });
  });

  it('never uses a name twice, not even for the same version', async () => {
    const { fleet, files, servers } = await startFleet(await startServers(1));
    const names: string[] = [];
    for (const version of [1, 1, 1])
      names.push(((await fleet.publish(await files('a', version))) as OpenAiSnapshot).model);
    expect(new Set(names).size).toBe(3);
    expect(new Set(servers[0]?.adapterEvents.map(({ name }) => name)).size).toBe(3);
  });

  it('keeps the newest versions of each policy, unloads older ones and gives up their files', async () => {
    const { fleet, files, servers, discarded } = await startFleet(
      await startServers(1, { flags: { maxCpuLoras: 5 } }),
      {
        maxLoras: 5,
        liveSnapshots: 2,
      },
    );
    for (const version of [1, 2, 3, 4])
      for (const policy of ['a', 'b']) await fleet.publish(await files(policy, version));
    expect(servers[0]?.adapters.map((name) => name.replace(/^agl-\w+-/, ''))).toEqual(['a-v3', 'b-v3', 'a-v4', 'b-v4']);
    expect(discarded).toEqual(['a v1', 'b v1', 'a v2', 'b v2']);
    expect(servers[0]?.adapterEvents.some(({ type }) => type === 'evict')).toBe(false);
  });

  it('says how many places the policies need when there are too few', async () => {
    const { fleet, files } = await startFleet(await startServers(1), { maxLoras: 3, liveSnapshots: 2 });
    for (const version of [1, 2]) await fleet.publish(await files('a', version));
    await fleet.publish(await files('b', 1));
    await expect(fleet.publish(await files('b', 2))).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('give at least 5'),
    });
  });

  it('unloads a version only when no call runs on it any more', async () => {
    const { fleet, files, servers, clock } = await startFleet(await startServers(1), { maxLoras: 3, liveSnapshots: 1 });
    const server = servers[0]!;
    const first = await fleet.publish(await files('a', 1));
    const letGo = server.hold();
    const call = ask(server, first);
    await until(() => server.calls.at(-1)?.path === '/v1/chat/completions');
    const probing = fleet.publish(await files('a', 2)); // its own probe is held too
    await until(() => server.calls.filter(({ path }) => path === '/v1/load_lora_adapter').length === 2);
    expect(eventsOf(server)).toEqual(['load a-v1', 'load a-v2']);
    letGo();
    await probing;
    expect((await call).status).toBe(200);
    clock.tick();
    await until(() => server.adapters.length === 1);
    expect(eventsOf(server)).toEqual(['load a-v1', 'load a-v2', 'unload a-v1']);
    expect(server.adapterEvents.every(({ running }) => running === 0)).toBe(true);
  });

  it('leaves a busy version and unloads it later, without another publish', async () => {
    const { fleet, files, servers, clock, discarded } = await startFleet(
      await startServers(1, {
        respond: async ({ messages }) => (JSON.stringify(messages).includes('hi') ? await slow : 'ok'),
      }),
      { maxLoras: 3, liveSnapshots: 1 },
    );
    const server = servers[0]!;
    const first = await fleet.publish(await files('a', 1));
    const call = ask(server, first);
    await until(() => server.calls.at(-1)?.path === '/v1/chat/completions');
    await fleet.publish(await files('a', 2));
    expect(eventsOf(server)).toEqual(['load a-v1', 'load a-v2']);
    expect(discarded).toEqual([]);
    answerSlowly('at last');
    expect((await call).status).toBe(200);
    clock.tick();
    await until(() => discarded.length > 0);
    expect(eventsOf(server)).toEqual(['load a-v1', 'load a-v2', 'unload a-v1']);
  });

  it('waits for calls to end when a new version needs their place, and gives up in the end', async () => {
    const { fleet, files, servers, log } = await startFleet(
      await startServers(1, {
        respond: async ({ messages }) => (JSON.stringify(messages).includes('hi') ? await slow : 'ok'),
      }),
      { maxLoras: 2, liveSnapshots: 1, awayTimeoutMs: 60_000 },
    );
    const server = servers[0]!;
    const first = await fleet.publish(await files('a', 1));
    const call = ask(server, first);
    await until(() => server.calls.at(-1)?.path === '/v1/chat/completions');
    await fleet.publish(await files('a', 2)); // both places are taken now
    await expect(fleet.publish(await files('a', 3))).rejects.toMatchObject({
      code: 'backend-failed',
      retryable: true,
      message: expect.stringMatching(/waited 60 s for calls on agl-\w+-a-v1 to end/),
    });
    expect(log.some((line) => /waiting for calls on agl-\w+-a-v1/.test(line))).toBe(true);
    answerSlowly('at last');
    await call;
    expect(await fleet.publish(await files('a', 3))).toMatchObject({ version: 3 });
    expect(eventsOf(server).at(-1)).toBe('unload a-v2');
  });

  it('publishes nothing when one replica cannot load it', async () => {
    const good = await startServers(1);
    const bad = await startServers(1, { flags: { maxLoraRank: 4 } });
    const { fleet, files, discarded } = await startFleet([...good, ...bad]);
    await expect(fleet.publish(await files('a', 1))).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('--max-lora-rank'),
    });
    expect(good[0]?.adapters).toEqual([]);
    expect(discarded).toEqual(['a v1']);
  });

  it('leaves an attached server as it found it', async () => {
    const { fleet, files, servers } = await startFleet(await startServers(1));
    await fleet.publish(await files('a', 1));
    await fleet.close();
    expect(servers[0]?.adapters).toEqual([]);
    expect((await fetch(`${servers[0]?.url}/health`)).status).toBe(200);
  });

  it('lets vLLM sleep while nothing runs, and wakes it to publish', async () => {
    const { fleet, files, servers } = await startFleet(await startServers(2, { flags: { devMode: true } }), {
      sleep: true,
    });
    await fleet.publish(await files('a', 1));
    await fleet.sleep();
    expect(servers.map((server) => server.isSleeping)).toEqual([true, true]);
    await fleet.publish(await files('a', 2));
    expect(servers.map((server) => server.isSleeping)).toEqual([false, false]);
  });
});

describe('a server that lacks what training needs', () => {
  it.each<[string, Partial<FakeVllmFlags>]>([
    ['--logprobs-mode processed_logprobs', { logprobsMode: 'raw_logprobs' }],
    ['--generation-config vllm', { generationConfig: { temperature: 0.6 } }],
    ['vLLM 0.10.2', { returnsTokenIds: false }],
  ])('is refused by name before anything is published: %s', async (flag, flags) => {
    const servers = await startServers(1, { flags });
    await expect(startFleet(servers)).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining(flag),
    });
  });

  it.each<[string, Partial<FakeVllmFlags>]>([
    ['--enable-lora', { enableLora: false }],
    ['VLLM_ALLOW_RUNTIME_LORA_UPDATING=True', { runtimeLoraUpdating: false }],
    ['without --disable-log-stats', { logsStatistics: false }],
  ])('is named when a version needs it: %s', async (flag, flags) => {
    const { fleet, files } = await startFleet(await startServers(1, { flags }), { liveSnapshots: 1 });
    const publishing = async (): Promise<void> => {
      for (const version of [1, 2]) await fleet.publish(await files('a', version));
    };
    await expect(publishing()).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining(flag),
    });
  });

  it('is refused by name when it is a LiteLLM proxy', async () => {
    // What LiteLLM 1.108.7 answers when it is asked for nothing but its life.
    const proxy = createServer((request, response) => {
      const isLife = request.url === '/health/liveliness';
      response.writeHead(isLife ? 200 : 400, { 'content-type': 'application/json' });
      response.end(isLife ? `"I'm alive!"` : '{"error":{"message":"No connected db.","type":"no_db_connection"}}');
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    await expect(startFleet([{ url } as FakeVllm])).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/is a LiteLLM proxy: .* pass-through endpoint/),
    });
    proxy.close();
  });

  it('is told that it cannot sleep', async () => {
    const { fleet } = await startFleet(await startServers(1), { sleep: true });
    await expect(fleet.sleep()).rejects.toThrow(/--enable-sleep-mode .* VLLM_SERVER_DEV_MODE=1/);
  });

  it('is told that it does not see the files', async () => {
    const { fleet, files } = await startFleet(await startServers(1));
    const missing = { ...(await files('a', 1)), directory: '/nowhere' };
    await expect(fleet.publish(missing)).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining('finds no adapter in /nowhere'),
    });
  });

  it('is told that the key is wrong', async () => {
    const servers = await startServers(1, { apiKey: 'secret' });
    await expect(startFleet(servers, { apiKey: 'other' })).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('a server that goes away', () => {
  it('gets its live adapters again after a restart, without anybody asking', async () => {
    const { fleet, files, servers, clock, log } = await startFleet(await startServers(1));
    const server = servers[0]!;
    await fleet.publish(await files('a', 1));
    await fleet.publish(await files('a', 2));
    await server.lose();
    await server.comeBack();
    expect(server.adapters).toEqual([]);
    clock.tick();
    await until(() => log.some((line) => line.includes('is back with 2 adapters')));
    expect(eventsOf(server).slice(2)).toEqual(['load a-v1', 'load a-v2']);
  });

  it('gets no calls until it has its adapters again, which other replicas answer meanwhile', async () => {
    const { fleet, files, servers, clock, log } = await startFleet(await startServers(2), { awayTimeoutMs: 1e9 });
    const { watch, model, ...snapshot } = (await fleet.publish(await files('a', 1))) as OpenAiSnapshot;
    const [first, second] = [snapshot.baseUrl, snapshot.replicas![0]!];
    expect(await watch!.awaitServers()).toEqual([first, second]);
    await servers[0]!.lose();
    watch!.reportFailure(first);
    expect(await watch!.awaitServers()).toEqual([second]);
    await servers[1]!.lose();
    watch!.reportFailure(second);
    const held = watch!.awaitServers();
    await until(() => log.filter((line) => line.includes('calls wait until it is back')).length === 2);
    const letGo = servers[1]!.hold(); // healthy, and without its adapters
    await servers[1]!.comeBack();
    await until(() => servers[1]!.calls.at(-1)?.path === '/v1/completions');
    expect(await Promise.race([held, new Promise((resolve) => setImmediate(resolve, 'held'))])).toBe('held');
    letGo();
    expect(await held).toEqual([second]);
    expect(servers[1]!.adapters).toEqual([model]);
    await servers[0]!.comeBack();
    await until(() => log.filter((line) => line.includes('is back with 1 adapters')).length === 2);
    expect(await watch!.awaitServers()).toEqual([first, second]);
    clock.tick();
  });

  it('keeps its calls when a look shows that nothing is amiss', async () => {
    const { fleet, files, servers, log } = await startFleet(await startServers(1));
    const { watch, baseUrl } = (await fleet.publish(await files('a', 1))) as OpenAiSnapshot;
    watch!.reportFailure(baseUrl);
    expect(await watch!.awaitServers()).toEqual([baseUrl]);
    servers[0]!.setHealthy(false); // such as when its engine died under it
    watch!.reportFailure(baseUrl);
    await until(() => log.some((line) => line.includes('calls wait until it is back')));
    servers[0]!.setHealthy(true);
    expect(await watch!.awaitServers()).toEqual([baseUrl]);
  });

  it('is not away when it is late once, such as on a busy machine', async () => {
    const { fleet, files, servers, log } = await startFleet(await startServers(1));
    const { watch, baseUrl } = (await fleet.publish(await files('a', 1))) as OpenAiSnapshot;
    for (const path of ['/v1/models', '/health']) {
      servers[0]!.dropNext(path);
      watch!.reportFailure(baseUrl);
      expect(await watch!.awaitServers()).toEqual([baseUrl]);
    }
    expect(log).toEqual([]);
  });

  it('gets its adapters again when a call finds that it lost them, though it never stopped answering', async () => {
    const { fleet, files, servers, log } = await startFleet(await startServers(1));
    const { watch, baseUrl, model } = (await fleet.publish(await files('a', 1))) as OpenAiSnapshot;
    servers[0]!.forgetAdapters();
    watch!.reportFailure(baseUrl);
    expect(await watch!.awaitServers()).toEqual([baseUrl]);
    expect(servers[0]!.adapters).toEqual([model]);
    expect(log).toContainEqual(expect.stringContaining('calls wait until it is back'));
  });

  it('fails the calls that wait for it when it stays away, and holds later ones anew', async () => {
    const { fleet, files, servers } = await startFleet(await startServers(1), { awayTimeoutMs: 20_000 });
    const { watch, baseUrl } = (await fleet.publish(await files('a', 1))) as OpenAiSnapshot;
    await servers[0]!.lose();
    watch!.reportFailure(baseUrl);
    const failed = {
      code: 'backend-failed',
      retryable: true,
      message: expect.stringContaining('has not answered for 20 s'),
    };
    await expect(watch!.awaitServers()).rejects.toMatchObject(failed);
    await expect(watch!.awaitServers()).rejects.toMatchObject(failed);
    await servers[0]!.comeBack();
    expect(await watch!.awaitServers()).toEqual([baseUrl]);
  });

  it('is waited for by the publish that finds it away, which then also brings back what it forgot', async () => {
    const { fleet, files, servers } = await startFleet(await startServers(1));
    const server = servers[0]!;
    await fleet.publish(await files('a', 1));
    await server.lose();
    const publishing = fleet.publish(await files('a', 2));
    await server.comeBack();
    expect(await publishing).toMatchObject({ version: 2 });
    expect(new Set(server.adapters).size).toBe(2);
  });

  it('fails the publish when it stays away, and only then', async () => {
    const { fleet, files, servers } = await startFleet(await startServers(1), { awayTimeoutMs: 20_000 });
    await servers[0]!.lose();
    await expect(fleet.publish(await files('a', 1))).rejects.toMatchObject({
      code: 'backend-failed',
      retryable: true,
      message: expect.stringMatching(/has not answered for 20 s/),
    });
    await servers[0]!.comeBack();
    expect(await fleet.publish(await files('a', 1))).toMatchObject({ version: 1 });
  });

  it('is waited for when it starts up slowly, with word of the wait', async () => {
    const server = await startFakeVllm();
    server.setHealthy(false);
    const opening = startFleet([server], { awayTimeoutMs: 100_000 });
    await until(() => server.calls.length > 100);
    server.setHealthy(true);
    const { log } = await opening;
    expect(log.find((line) => line.startsWith('waiting for vLLM'))).toMatch(/\(15 s\)$/);
    await server.close();
  });
});

let answerSlowly: (text: string) => void;
let slow: Promise<string>;
({ promise: slow, resolve: answerSlowly } = Promise.withResolvers<string>());
afterEach(() => {
  ({ promise: slow, resolve: answerSlowly } = Promise.withResolvers<string>());
});
