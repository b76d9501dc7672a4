import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Agent, getGlobalDispatcher, setGlobalDispatcher } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { installFetchRedirect, runInSpan } from '../src/index.ts';
import { startRollout } from './test-rollout.ts';

const early: typeof fetch = globalThis.fetch;
const cleanups: (() => unknown)[] = [];

/** Node's own limits are 300 s; with these, what does not take them away fails at once. */
beforeEach(() => {
  const before = getGlobalDispatcher();
  setGlobalDispatcher(new Agent({ headersTimeout: 1, bodyTimeout: 1 }));
  cleanups.push(() => setGlobalDispatcher(before), installFetchRedirect());
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A server that keeps every reply for the test to write. */
async function startServer() {
  const replies: ServerResponse[] = [];
  const server = createServer((request, response) => {
    request.resume();
    replies.push(response);
    server.emit('asked');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    replies,
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    isAsked: (): Promise<unknown> => once(server, 'asked'),
  };
}

const post = { method: 'POST', body: '{"model":"own"}' };

/** Resolves when calls with a time limit have failed by it: first by one for the head of a reply, then by one for its body. */
async function untilLimitsPass(url: string): Promise<void> {
  const error: unknown = await early(url, post).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ cause: { code: 'UND_ERR_HEADERS_TIMEOUT' } });
}

describe('a call to the endpoint that takes longer than fetch waits', () => {
  const clients = [
    ['fetch', (...call: Parameters<typeof fetch>) => fetch(...call)],
    ['a fetch that was kept from before', early],
  ] as const;

  it.each(
    clients.flatMap(([name, client]) =>
      ['chat/completions', 'responses', 'messages'].map((path) => [name, path, client] as const),
    ),
  )('is waited for when it is aimed there: %s, %s', async (_name, path, client) => {
    const [gateway, other] = [await startServer(), await startServer()];
    const rollout = await startRollout(gateway);
    const asked = gateway.isAsked();
    const call = rollout.run(() => client(`${gateway.baseUrl}/${path}`, post));
    await asked;
    await untilLimitsPass(other.baseUrl);
    gateway.replies[0]!.write('whole');
    const response = await call;
    await untilLimitsPass(other.baseUrl);
    gateway.replies[0]!.end(' reply');
    expect(await response.text()).toBe('whole reply');
  });

  it.each(clients)('is waited for when it is redirected: %s', async (_name, client) => {
    const [gateway, own] = [await startServer(), await startServer()];
    const rollout = await startRollout(gateway);
    const asked = gateway.isAsked();
    const span = {
      attemptId: rollout.scope.attempt.attemptId,
      spanId: '00000000000000aa',
      agent: { names: ['write'], wrappers: [{}] },
    };
    const call = rollout.run(() => runInSpan(span, () => client(`${own.baseUrl}/chat/completions`, post)));
    await asked;
    await untilLimitsPass(own.baseUrl);
    gateway.replies[0]!.write('whole');
    const response = await call;
    await untilLimitsPass(own.baseUrl);
    gateway.replies[0]!.end(' reply');
    expect(await response.text()).toBe('whole reply');
  });
});
