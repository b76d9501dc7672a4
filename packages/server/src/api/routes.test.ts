import { MemoryStore } from '@agent-lightning/store';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startServer, type MountedGateway, type Server } from '../index.ts';

let store: MemoryStore;
let server: Server;

/** A gateway that only tells what it was asked, and by whom the server let it be asked. */
const gateway: MountedGateway & { at?: string } = {
  serveAt(url) {
    gateway.at = url;
  },
  async answer(request, response, isAdmitted) {
    response.end(JSON.stringify({ asked: request.url, isAdmitted }));
  },
  formatMetrics: () => '# TYPE other gauge\nother 1',
};

beforeEach(async () => {
  store = new MemoryStore({ watchdogIntervalMs: 0 });
  server = await startServer({ store, port: 0, gateway });
});
afterEach(async () => {
  await server.close();
  await store.close();
});

async function ask(
  path: string,
  { method = 'GET', body, key = server.adminKey }: { method?: string; body?: unknown; key?: string | undefined } = {},
): Promise<{ status: number; reply: Record<string, unknown> }> {
  const reply = await fetch(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: reply.status, reply: (await reply.json()) as Record<string, unknown> };
}

describe('the operations of a store', () => {
  it('take an id that tells calls apart, and no empty or long one', async () => {
    await store.enqueue([{ input: 1 }, { input: 2 }]);
    const claim = (id: string): object => ({ operation: 'claim', id, arguments: { request: { workerId: 'w' } } });
    const call = async (...ids: string[]): Promise<unknown> =>
      ask('/v1/store/calls', { method: 'POST', body: { calls: ids.map(claim) } });
    const refused = {
      status: 400,
      reply: { error: { message: expect.stringContaining('.id must be text of 1 to 200') } },
    };
    expect(await call('a', '')).toMatchObject(refused);
    expect(await call('x'.repeat(201))).toMatchObject(refused);
    const byHeader = await fetch(`${server.url}/v1/store/claim`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${server.adminKey}`,
        'content-type': 'application/json',
        'idempotency-key': 'x'.repeat(201),
      },
      body: JSON.stringify({ request: { workerId: 'w' } }),
    });
    expect(byHeader.status).toBe(400);
    expect((await store.statistics()).attempts).toMatchObject({ preparing: 0, running: 0 });
  });

  it('can be called by name, from any language, with lists of numbers for tokens', async () => {
    expect(
      (await ask('/v1/store/enqueue', { method: 'POST', body: { requests: [{ rolloutId: 'a', input: 1 }] } })).status,
    ).toBe(200);
    const claimed = await ask('/v1/store/claim', { method: 'POST', body: { request: { workerId: 'w' } } });
    const [{ lease }] = claimed.reply as unknown as [{ lease: object }];
    const span = {
      spanId: '1'.repeat(16),
      traceId: 'a'.repeat(32),
      kind: 'model_call',
      name: 'chat',
      status: { code: 'ok' },
      startTimeMs: 1,
      endTimeMs: 2,
      attributes: {},
      tokens: { prompt: [1, 2], response: [3], logprobs: [-0.5] },
    };
    const body = { lease, spans: [span] };
    expect(await ask('/v1/store/appendSpans', { method: 'POST', body })).toEqual({ status: 200, reply: [1] });
    const [kept] = await store.querySpans({ rolloutIds: ['a'], includeTokens: true });
    expect(kept?.tokens).toEqual({
      prompt: Int32Array.of(1, 2),
      response: Int32Array.of(3),
      logprobs: Float32Array.of(-0.5),
    });
  });

  it.each([
    [
      'enqueue',
      { requests: [{ input: 1, mode: 'test me' }] },
      400,
      'store-invalid',
      /^requests\[0\]\.mode must be one of/,
    ],
    ['enqueue', { request: [] }, 400, 'store-invalid', /^request is no argument of enqueue; it has requests/],
    ['enqueue', [1], 400, 'store-invalid', /arguments of enqueue must be an object/],
    // A text must not be taken apart: one of 64 MiB would fill the memory.
    ['waitFor', 'text', 400, 'store-invalid', /arguments of waitFor must be an object/],
    ['waitForWork', [1], 400, 'store-invalid', /arguments of waitForWork must be an object/],
    ['getRollout', {}, 400, 'store-invalid', /^rolloutId must be/],
    ['cancel', { rolloutId: 'absent' }, 404, 'store-not-found', /"absent"/],
    [
      'waitFor',
      { rolloutIds: [], options: { timeoutMs: 'long' } },
      400,
      'store-invalid',
      /^options\.timeoutMs must be/,
    ],
    [
      'appendSpans',
      {
        lease: { rolloutId: 'a', attemptId: 'b', fencingToken: 1 },
        spans: [{ tokens: { prompt: 'abc', response: '', logprobs: '' } }],
      },
      400,
      'store-invalid',
      /^spans\[0\]\.tokens\.prompt must be a list of numbers, or the base64/,
    ],
    [
      'calls',
      { calls: [{ operation: 'waitFor', arguments: {} }] },
      400,
      'request-invalid',
      /^calls\[0\]\.operation must not be one that waits/,
    ],
    [
      'calls',
      { calls: [{ operation: 'drop', arguments: {} }] },
      400,
      'request-invalid',
      /^calls\[0\]\.operation must be one of/,
    ],
  ])('say which field is wrong: %s %j', async (name, body, status, code, message) => {
    const answer = await ask(`/v1/store/${name}`, { method: 'POST', body });
    expect(answer).toMatchObject({ status, reply: { error: { code, message: expect.stringMatching(message) } } });
  });

  it('are listed with their parameters and roles', async () => {
    const { reply } = await ask('/v1/store');
    expect(reply['operations']).toContainEqual({
      name: 'complete',
      kind: 'write',
      parameters: ['lease'],
      roles: ['admin', 'trainer', 'runner'],
    });
    expect((await ask('/v1/store/enqueue')).status).toBe(405);
  });

  it('are done once for one idempotency key', async () => {
    const enqueue = async (key: string): Promise<string> => {
      const reply = await fetch(`${server.url}/v1/store/enqueue`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${server.adminKey}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify({ requests: [{ input: 1 }] }),
      });
      return await reply.text();
    };
    const first = await enqueue('one');
    expect(await enqueue('one')).toBe(first);
    expect(await enqueue('two')).not.toBe(first);
    expect((await store.statistics()).rollouts.queuing).toBe(2);
  });
});

describe('the keys of a server', () => {
  it('are added, listed without their hash, and revoked by an admin alone', async () => {
    const added = await ask('/v1/keys', { method: 'POST', body: { role: 'runner', label: 'gpu-1' } });
    const { id, key } = added.reply as { id: string; key: string };
    expect((await ask('/v1/store/statistics', { method: 'POST', body: {}, key })).status).toBe(200);
    expect((await ask('/v1/keys', { key })).status).toBe(403);
    const { keys } = (await ask('/v1/keys')).reply as { keys: object[] };
    expect(keys).toContainEqual({ id, role: 'runner', label: 'gpu-1', createdAtMs: expect.any(Number) });
    expect((await ask(`/v1/keys/${id}`, { method: 'DELETE' })).status).toBe(200);
    expect((await ask('/v1/store/statistics', { method: 'POST', body: {}, key })).status).toBe(401);
    expect((await ask(`/v1/keys/${id}`, { method: 'DELETE' })).status).toBe(404);
    expect((await ask('/v1/keys', { method: 'POST', body: { role: 'agent' } })).status).toBe(400);
    expect((await ask('/v1/keys', { method: 'POST', body: { role: 'runner', key: 'mine' } })).reply).toMatchObject({
      error: { message: expect.stringContaining('key is no field here') },
    });
  });
});

describe('a gateway on the same port', () => {
  it('gets model calls of agents as they come, and its own routes from those who may ask them', async () => {
    expect(gateway.at).toBe(server.url);
    const { key: runner } = (await ask('/v1/keys', { method: 'POST', body: { role: 'runner' } })).reply as {
      key: string;
    };
    const call = '/rollout/a/attempt/b/v1/chat/completions';
    expect((await ask(call, { method: 'POST', key: 'the-attempts' })).reply).toEqual({
      asked: call,
      isAdmitted: false,
    });
    expect((await ask('/admin/attempts', { method: 'POST', key: runner })).reply).toMatchObject({ isAdmitted: true });
    expect((await ask('/admin/policies/p', { method: 'POST', key: runner })).status).toBe(403);
    expect((await ask('/admin/policies/p', { method: 'POST', key: 'none' })).status).toBe(401);
  });

  it('has its metrics beside those of the server, for who has a key', async () => {
    await ask('/v1/store/statistics', { method: 'POST', body: {} });
    expect((await fetch(`${server.url}/metrics`)).status).toBe(401);
    const reply = await fetch(`${server.url}/metrics`, { headers: { authorization: `Bearer ${server.adminKey}` } });
    const text = await reply.text();
    expect(text).toMatch(/^other 1$/m);
    expect(text).toMatch(/^agentlightning_server_store_calls_total\{operation="statistics"\} 1$/m);
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(/^(# (HELP|TYPE) \w+ .+|[a-z_]+(\{[^}]*\})? [\d.e+-]+)$/);
  });
});
