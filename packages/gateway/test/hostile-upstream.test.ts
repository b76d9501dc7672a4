import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import type { GatewayLogEntry } from '../src/index.ts';
import { onStop, startHarness, stopAll, type Harness } from './harness.ts';

afterEach(stopAll);
const apiKey = 'sk-canary/of+the+provider';
const messages = [{ role: 'user', content: 'hi' }];
const whole = { choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }] };

/** A gateway whose policy, and a model of the user's own, are served by `answer`. */
async function startWith(answer: (response: ServerResponse) => void): Promise<Harness & { log: GatewayLogEntry[] }> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => answer(response));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onStop(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  const log: GatewayLogEntry[] = [];
  const harness = await startHarness({
    maxRetries: 0,
    models: { own: { baseUrl, apiKey } },
    log: (entry) => log.push(entry),
  });
  harness.gateway.publish('policy', { kind: 'openai', version: 1, baseUrl, model: 'm', apiKey });
  return { ...harness, log };
}

/** Asks in every dialect, streamed and not, for a policy and for a model of the user's own. */
const requests: readonly (readonly [string, object])[] = [
  ...['policy', 'own'].flatMap((model) =>
    [true, false].flatMap((stream): (readonly [string, object])[] => [
      ['/chat/completions', { model, messages, stream }],
      ['/completions', { model, prompt: 'hi', stream }],
      ['/responses', { model, input: 'hi', stream }],
      ['/messages', { model, messages, max_tokens: 9, stream }],
    ]),
  ),
  ['/embeddings', { model: 'own', input: 'hi' }],
];

describe('an upstream that answers with another status than 200', () => {
  it.each([201, 202, 203, 204, 205, 206, 226])('is at fault, and no agent takes it for a reply: %i', async (status) => {
    const { post, finish, gateway } = await startWith((response) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(whole));
    });
    for (const [path, body] of requests) {
      const reply = await post(body, { path });
      expect([path, reply.status]).toEqual([path, 502]);
      expect(await reply.text()).toContain(`answered with status ${status}`);
    }
    const spans = await finish();
    expect(spans).toHaveLength(requests.length - 1);
    expect(spans.every(({ status: ended }) => ended.code === 'error')).toBe(true);
    expect(gateway.statistics.calls).toEqual({ ok: 0, incomplete: 0, failed: requests.length - 1 });
  });

  it('is at fault when it answers embeddings with a page', async () => {
    const { post } = await startWith((response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<script>alert(1)</script>');
    });
    const reply = await post({ model: 'own', input: 'hi' }, { path: '/embeddings' });
    expect([reply.status, reply.headers.get('content-type')]).toEqual([502, 'application/json']);
  });
});

/** The key as JSON may also have it. */
const escaped = [...apiKey].map((letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
const events = (text: string) => (response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(text);
const failing =
  (body: string, headers: Record<string, string> = {}) =>
  (response: ServerResponse) =>
    void response.writeHead(429, { 'content-type': 'application/json', ...headers }).end(body);

describe('an upstream that repeats the key it was given', () => {
  it.each<[string, (response: ServerResponse) => void]>([
    ['in an error event', events(`data: {"error":{"message":"bad key ${apiKey}"}}\n\n`)],
    ['in an error event that is a text', events(`data: {"error":"bad key ${apiKey}"}\n\n`)],
    ['in an error event, escaped', events(`data: {"error":{"message":"bad key ${escaped}"}}\n\n`)],
    [
      'in an error event after a token',
      events(
        `data: {"choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: {"error":{"message":"bad key ${apiKey}"}}\n\n`,
      ),
    ],
    ['where a message is cut', events(`data: {"error":{"message":"${'x'.repeat(1_990)}${apiKey}"}}\n\n`)],
    ['in an error status', failing(JSON.stringify({ error: { message: apiKey, param: apiKey, code: 'x' } }))],
    ['in an error status, escaped', failing(`{"error":{"message":"${escaped}","param":"${escaped}"}}`)],
    ['in an address', failing(JSON.stringify({ error: { message: `GET /?key=${encodeURIComponent(apiKey)}` } }))],
    ['in Retry-After', failing('{}', { 'retry-after': apiKey })],
    ['in a content type', (response) => void response.writeHead(200, { 'content-type': `x/${apiKey}` }).end('{}')],
    ['in broken JSON', events(`data: {"error": ${apiKey}}\n\n`)],
  ])('shows it to nobody: %s', async (_name, answer) => {
    const { post, finish, log, gateway } = await startWith(answer);
    for (const [path, body] of requests) {
      const reply = await post(body, { path });
      const heard = [...reply.headers].join() + (await reply.text());
      expect(heard).not.toContain('canary');
      expect(heard).not.toContain(escaped.slice(0, 20));
    }
    expect(JSON.stringify([await finish(), log, gateway.statistics])).not.toContain('canary');
  });
});
