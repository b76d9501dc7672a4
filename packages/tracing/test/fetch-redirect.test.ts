import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installFetchRedirect, runInSpan, gatewayHeaders, type ActiveAgent } from '../src/index.ts';
import { startRollout, type TestRollout } from './test-rollout.ts';

interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A server that says who it is, or does not answer; keeps what it received. */
async function startServer(name: string, isSilent = false) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    received.push({ path: request.url ?? '', headers: request.headers, body: Buffer.concat(chunks).toString() });
    server.emit('received');
    if (!isSilent) response.end(name);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { received, origin, baseUrl: `${origin}/rollout/r/attempt/a/v1`, arrival: () => once(server, 'received') };
}

const spanId = '00000000000000aa';

function inAgent<Result>(rollout: TestRollout, agent: ActiveAgent, work: () => Result): Result {
  return rollout.run(() => runInSpan({ attemptId: rollout.scope.attempt.attemptId, spanId, agent }, work));
}

const post = {
  method: 'POST',
  headers: { authorization: 'Bearer own', 'openai-organization': 'mine', 'x-kept': 'yes' },
  body: '{"model":"own","messages":[],"seed":7}',
};

describe('the redirect', () => {
  beforeEach(() => void cleanups.push(installFetchRedirect()));

  it.each([
    ['/v1/chat/completions', 'chat/completions'],
    ['/v1/completions', 'completions'],
    ['/v1/responses', 'responses'],
    ['/openai/deployments/x/chat/completions?api-version=1', 'chat/completions'],
  ])('rewrites a POST to %s', async (path, route) => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    const response = await inAgent(rollout, { names: ['write', 'a/write é'], wrappers: [{}] }, () =>
      fetch(own.origin + path, post),
    );
    expect(await response.text()).toBe('gateway');
    const [call] = gateway.received;
    expect(call?.path).toBe(`/rollout/r/attempt/a/v1/${route}`);
    expect(call?.body).toBe('{"model":"policy","messages":[],"seed":7}');
    expect(call?.headers).toMatchObject({
      authorization: 'Bearer attempt-key',
      'x-kept': 'yes',
      traceparent: `00-${rollout.scope.recorder.traceId}-${spanId}-01`,
    });
    expect(call?.headers).not.toHaveProperty('openai-organization');
    expect(JSON.parse(decodeURIComponent(String(call?.headers[gatewayHeaders.agentNames])))).toEqual([
      'write',
      'a/write é',
    ]);
  });

  const url = (origin: string) => `${origin}/v1/chat/completions`;
  it.each<[string, (origin: string) => Parameters<typeof fetch>]>([
    ['a URL', (origin) => [new URL(url(origin)), post]],
    ['a Request', (origin) => [new Request(url(origin), post)]],
    [
      'a Request with options over it',
      (origin) => [new Request(url(origin), { ...post, body: '{}' }), { body: post.body }],
    ],
    ['bytes', (origin) => [url(origin), { ...post, body: new TextEncoder().encode(post.body) }]],
    [
      'a stream',
      (origin) => [url(origin), { ...post, body: new Blob([post.body]).stream(), duplex: 'half' } as RequestInit],
    ],
    [
      'a body that begins otherwise',
      (origin) => [url(origin), { ...post, body: '{ "messages": [], "seed": 7, "model": "own" }' }],
    ],
  ])('takes %s', async (_, call) => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    await inAgent(rollout, { names: ['write'], wrappers: [{}] }, () => fetch(...call(own.origin)));
    expect(JSON.parse(gateway.received[0]?.body ?? '')).toEqual({ model: 'policy', messages: [], seed: 7 });
    expect(gateway.received[0]?.headers).toMatchObject({ authorization: 'Bearer attempt-key', 'x-kept': 'yes' });
  });

  it('rewrites a call of Anthropic’s client, and leaves the messages of other services alone', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    const agent = { names: ['write'], wrappers: [{}] };
    const headers = { ...post.headers, 'x-api-key': 'own-secret', 'Anthropic-Version': '2023-06-01' };
    await inAgent(rollout, agent, () => fetch(`${own.origin}/v1/messages?beta=true`, { ...post, headers }));
    await inAgent(rollout, agent, () => fetch(new Request(`${own.origin}/v1/messages`, { ...post, headers })));
    await inAgent(rollout, agent, () => fetch(`${own.origin}/channels/7/messages`, post));
    await inAgent(rollout, agent, () => fetch(`${own.origin}/v1/messages/count_tokens`, { ...post, headers }));
    const route = '/rollout/r/attempt/a/v1/messages';
    expect(gateway.received.map(({ path }) => path)).toEqual([route, route]);
    expect(gateway.received[0]?.body).toBe('{"model":"policy","messages":[],"seed":7}');
    expect(gateway.received[0]?.headers).toMatchObject({ authorization: 'Bearer attempt-key', 'x-kept': 'yes' });
    expect(JSON.stringify(gateway.received)).not.toContain('own-secret');
    expect(own.received.map(({ path }) => path)).toEqual(['/channels/7/messages', '/v1/messages/count_tokens']);
  });

  it.each(['/v1', '', '/v1/v1'])(
    'knows a client of Anthropic that is aimed at the endpoint, by "%s/messages"',
    async (version) => {
      const gateway = await startServer('gateway');
      const rollout = await startRollout(gateway);
      const url = `${gateway.baseUrl.replace(/\/v1$/, '')}${version}/messages`;
      await inAgent(rollout, { names: ['write'], wrappers: [{}] }, () => fetch(url, post));
      expect(gateway.received[0]?.headers).toMatchObject({
        authorization: 'Bearer own',
        traceparent: expect.stringContaining(spanId),
      });
      expect(gateway.received[0]?.headers).toHaveProperty(gatewayHeaders.agentNames);
    },
  );

  it('leaves a body that is not a JSON object for the gateway to refuse', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    await inAgent(rollout, { names: ['write'], wrappers: [{}] }, () =>
      fetch(url(own.origin), { ...post, body: '{"mod' }),
    );
    expect(gateway.received[0]?.body).toBe('{"mod');
  });

  it('leaves all else alone', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const [rollout, untrained] = [await startRollout(gateway), await startRollout()];
    const write = { names: ['write', 'a/write'], wrappers: [{ agentMatch: /^check$/ }] };
    const call = () => fetch(url(own.origin), post);
    await call();
    await rollout.run(call);
    await inAgent(rollout, write, call);
    await inAgent(untrained, { names: ['write'], wrappers: [{}] }, call);
    await inAgent(rollout, { names: ['write'], wrappers: [{}] }, () => fetch(`${own.origin}/v1/embeddings`, post));
    await inAgent(rollout, { names: ['write'], wrappers: [{}] }, () => fetch(url(own.origin)));
    expect(gateway.received).toEqual([]);
    expect(own.received.filter(({ body }) => body === post.body)).toHaveLength(5);
    expect(own.received.every(({ headers }) => headers.traceparent === undefined)).toBe(true);
  });

  it('tests a global pattern from the start for each call', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    const agent = { names: ['write'], wrappers: [{ agentMatch: /write/g }] };
    for (let call = 0; call < 3; call++) await inAgent(rollout, agent, () => fetch(url(own.origin), post));
    expect(gateway.received).toHaveLength(3);
  });

  it.each(['chat/completions', 'messages'])(
    'gives a call that the agent aimed at the endpoint by hand its place in the trace, and nothing else: %s',
    async (path) => {
      const gateway = await startServer('gateway');
      const rollout = await startRollout(gateway);
      const { attemptId } = rollout.scope.attempt;
      await rollout.run(() => runInSpan({ attemptId, spanId }, () => fetch(`${gateway.baseUrl}/${path}`, post)));
      expect(gateway.received[0]?.body).toBe(post.body);
      expect(gateway.received[0]?.headers).toMatchObject({
        authorization: 'Bearer own',
        traceparent: expect.stringContaining(spanId),
      });
      expect(gateway.received[0]?.headers).not.toHaveProperty(gatewayHeaders.agentNames);
    },
  );

  it.each(['the attempt’s end', 'the caller'])('is aborted by %s', async (who) => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway', true)];
    const rollout = await startRollout(gateway);
    const controller = new AbortController();
    const arrived = gateway.arrival();
    const failed = expect(
      inAgent(rollout, { names: ['write'], wrappers: [{}] }, () =>
        fetch(url(own.origin), { ...post, signal: controller.signal }),
      ),
    ).rejects.toThrow('over');
    await arrived;
    (who === 'the caller' ? controller : rollout).abort(new Error('over'));
    await failed;
  });
});

describe('installFetchRedirect', () => {
  it('installs once, and can be taken away', () => {
    const before = globalThis.fetch;
    const remove = installFetchRedirect();
    const installed = globalThis.fetch;
    const removeAgain = installFetchRedirect();
    expect(globalThis.fetch).toBe(installed);
    remove();
    removeAgain();
    expect(globalThis.fetch).toBe(before);
  });

  it('does nothing any more when it is taken away below another wrapper', async () => {
    const before = globalThis.fetch;
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const remove = installFetchRedirect();
    const installed = globalThis.fetch;
    cleanups.push(() => void (globalThis.fetch = before));
    globalThis.fetch = (...call) => installed(...call);
    remove();
    const rollout = await startRollout(gateway);
    await inAgent(rollout, { names: ['write'], wrappers: [{}] }, () =>
      fetch(`${own.origin}/v1/chat/completions`, post),
    );
    expect([own.received.length, gateway.received.length]).toEqual([1, 0]);
  });

  it('is installed by importing the register module', async () => {
    const before = globalThis.fetch;
    await import('../src/register.ts');
    expect(globalThis.fetch).not.toBe(before);
    installFetchRedirect()();
    expect(globalThis.fetch).toBe(before);
  });
});
