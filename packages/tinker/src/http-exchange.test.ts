import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { exchange } from './http-exchange.ts';

it.each([
  ['hides the key that a server repeats', 'tml-canary-0123456789', 'bad key [key]'],
  ['leaves a key alone that is no secret', 'bad', 'bad key bad'],
])('%s', async (_name, apiKey, heard) => {
  const server = createServer((_request, response) => {
    response
      .writeHead(401, { 'content-type': 'application/json' })
      .end(JSON.stringify({ detail: `bad key ${apiKey}` }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const request = { method: 'GET', path: '/', timeoutMs: 60_000 } as const;
  const reply = await exchange({ url, apiKey, fetch }, request, new AbortController().signal);
  server.closeAllConnections();
  server.close();
  expect(reply).toMatchObject({ status: 401, json: { detail: heard } });
});
