import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installFetchRedirect, runInSpan } from '../src/index.ts';
import { startRollout, type TestRollout } from './test-rollout.ts';

const early: typeof fetch = globalThis.fetch;

const cleanups: (() => unknown)[] = [];
beforeEach(() => void cleanups.push(installFetchRedirect()));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Received {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

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
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return { received, baseUrl, arrival: () => once(server, 'received') };
}

const inAgent = <Result>(rollout: TestRollout, agentMatch: RegExp, work: () => Result): Result => {
  const { attemptId } = rollout.scope.attempt;
  const span = { attemptId, spanId: '00000000000000aa', agent: { names: ['write'], wrappers: [{ agentMatch }] } };
  return rollout.run(() => runInSpan(span, work));
};

const post = {
  method: 'POST',
  headers: { authorization: 'Bearer own', 'x-kept': 'yes' },
  body: '{"model":"own","text":"é"}',
};
const streamed = (): RequestInit => ({ ...post, body: new Response(post.body).body, duplex: 'half' }) as RequestInit;

describe('a client that kept the fetch from before the redirect', () => {
  it.each([
    ['a text', (url: string) => early(url, post)],
    ['a stream', (url: string) => early(url, streamed())],
    ['a request', (url: string) => early(new Request(url, post))],
  ])('is redirected: %s', async (_what, call) => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    const response = await inAgent(rollout, /write/, () => call(`${own.baseUrl}/chat/completions`));
    expect(await response.text()).toBe('gateway');
    expect(own.received).toEqual([]);
    expect(gateway.received).toMatchObject([
      {
        path: '/v1/chat/completions',
        body: '{"model":"policy","text":"é"}',
        headers: {
          authorization: 'Bearer attempt-key',
          'x-kept': 'yes',
          traceparent: `00-${rollout.scope.recorder.traceId}-00000000000000aa-01`,
        },
      },
    ]);
  });

  it('is left alone outside a rollout, for another agent, for another path, and when the redirect is gone', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const rollout = await startRollout(gateway);
    const ask = (path: string) => early(own.baseUrl + path, post).then((response) => response.text());
    await ask('/chat/completions');
    await inAgent(rollout, /judge/, () => ask('/chat/completions'));
    await inAgent(rollout, /write/, () => ask('/models'));
    cleanups.shift()?.();
    await inAgent(rollout, /write/, () => ask('/chat/completions'));
    expect(gateway.received).toEqual([]);
    expect(own.received.map(({ body }) => body)).toEqual(Array.from({ length: 4 }, () => post.body));
  });

  it('keeps what it aims at the endpoint itself', async () => {
    const gateway = await startServer('gateway');
    const rollout = await startRollout(gateway);
    await inAgent(rollout, /write/, () => early(`${gateway.baseUrl}/chat/completions`, post));
    expect(gateway.received).toMatchObject([{ body: post.body, headers: { authorization: 'Bearer own' } }]);
  });

  it('is aborted with the attempt, and by its own signal', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway', true)];
    const rollout = await startRollout(gateway);
    const controller = new AbortController();
    const ask = (signal: AbortSignal | null) =>
      inAgent(rollout, /write/, () => early(`${own.baseUrl}/chat/completions`, { ...post, signal }));
    const [arrival, stopped] = [gateway.arrival(), ask(controller.signal)];
    await arrival;
    controller.abort(new RangeError('enough'));
    await expect(stopped).rejects.toThrow('enough');
    const [nextArrival, aborted] = [gateway.arrival(), ask(null)];
    await nextArrival;
    rollout.abort();
    await expect(aborted).rejects.toThrow();
    await expect(ask(null)).rejects.toThrow();
    expect([own.received.length, gateway.received.length]).toEqual([0, 2]);
  });

  it('fails as fetch does when its body breaks or nobody listens', async () => {
    const [own, gateway] = [await startServer('own'), await startServer('gateway')];
    const broken = new ReadableStream({ start: (controller) => controller.error(new RangeError('broken body')) });
    const url = `${own.baseUrl}/chat/completions`;
    const rollout = await startRollout(gateway);
    const call = { ...post, body: broken, duplex: 'half' } as RequestInit;
    await expect(inAgent(rollout, /write/, () => early(url, call))).rejects.toThrow();
    const gone = await startRollout({ baseUrl: 'http://127.0.0.1:1/v1' } as never);
    await expect(inAgent(gone, /write/, () => early(url, post))).rejects.toThrow('fetch failed');
    expect(own.received).toEqual([]);
  });
});
