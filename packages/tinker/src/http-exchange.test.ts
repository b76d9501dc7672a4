import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { exchange, type HttpReply } from './http-exchange.ts';
import { serverError } from './server-errors.ts';

let answer = { status: 200, body: '' };
const server = createServer((_request, response) => {
  response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
});

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterAll(() => {
  server.closeAllConnections();
  server.close();
});

async function ask(apiKey: string, status: number, body: object): Promise<HttpReply> {
  answer = { status, body: JSON.stringify(body) };
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const request = { method: 'GET', path: '/', timeoutMs: 60_000 } as const;
  const reply = await exchange({ url, apiKey, fetch }, request, new AbortController().signal);
  if (!reply.arrived) throw new Error(reply.problem);
  return reply;
}

it.each([
  ['hides the key that a server repeats', 'tml-canary-0123456789', 'bad key [key]'],
  ['hides a short one', 'bad', '[key] key [key]'],
  ['leaves a key alone that is no secret', 'none', 'bad key none'],
])('%s', async (_name, apiKey, heard) => {
  expect(await ask(apiKey, 401, { detail: `bad key ${apiKey}` })).toMatchObject({ status: 401, said: heard });
});

const key = fc.oneof(
  fc.constantFrom('1', 'x', 'type', 'error', '"', ':', 'e'),
  fc.string({ minLength: 1, maxLength: 8, unit: fc.constantFrom(...'ab1025"{:,]e') }),
);

it('reads a reply as it was sent, whatever the key is', async () => {
  const result = { type: 'sample', tokens: [1, 2, 105], logprobs: [-0.125, -1e-7], text: 'x: "y"' };
  await fc.assert(
    fc.asyncProperty(key, async (apiKey) => {
      expect((await ask(apiKey, 200, result)).json).toEqual(result);
    }),
    { numRuns: 40 },
  );
});

it('shows no key of the error that is inside a 200, and finds its code all the same', async () => {
  const body = { error: 'zq wants tml-secret', code: 'context-exceeded', category: 'user' };
  for (const apiKey of ['tml-secret', 'zq', 'z']) {
    const { message, code } = serverError('forward', await ask(apiKey, 200, body), 'backend-failed');
    expect(code).toBe('context-exceeded');
    expect(message).toContain('[key]');
    expect(message.replaceAll('[key]', '')).not.toContain(apiKey);
  }
});
