import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { MemoryStore } from '@agent-lightning/store';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KeyRing, startServer, type RouteSet, type Server, type ServerLogEntry, type ServerOptions } from './index.ts';

/** Ends a wait that would never end. */
const hangGuard = { timeout: 240_000 };
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function start(options: Partial<ServerOptions> = {}): Promise<Server> {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  const server = await startServer({ store, port: 0, ...options });
  closing.push(
    () => server.close(),
    () => store.close(),
  );
  return server;
}

/** A route of the tests: it answers with the size of the body, and who sent it. */
const measure: RouteSet = ({ path }) =>
  path !== '/measure'
    ? undefined
    : {
        roles: ['runner'],
        answer: async (exchange) =>
          exchange.json({ bytes: (await exchange.readBytes()).length, role: exchange.caller.role }),
      };

function bearer(key: string | undefined): Record<string, string> {
  return { authorization: `Bearer ${key}` };
}

describe('a server', () => {
  it('answers its health without a key, and nothing else', async () => {
    const server = await start();
    const health = await fetch(`${server.url}/health`);
    expect([health.status, await health.json()]).toEqual([200, { status: 'ok' }]);
    const refused = await fetch(`${server.url}/measure`);
    expect([refused.status, await refused.json()]).toEqual([
      404,
      {
        error: {
          type: 'StoreError',
          code: 'not-found',
          retryable: false,
          message: expect.stringContaining('/measure'),
        },
      },
    ]);
  });

  it.each([
    ['plain', undefined, (bytes: Buffer) => bytes],
    ['gzip', 'gzip', gzipSync],
    ['br', 'br', brotliCompressSync],
    ['zstd', 'zstd', zstdCompressSync],
  ])('counts the bytes of a body after decompression: %s', async (_name, encoding, pack) => {
    const server = await start({ routes: [measure], maxBodyBytes: 100_000 });
    const send = async (size: number): Promise<unknown> => {
      const reply = await fetch(`${server.url}/measure`, {
        method: 'POST',
        headers: { ...bearer(server.adminKey), ...(encoding === undefined ? {} : { 'content-encoding': encoding }) },
        body: new Uint8Array(pack(Buffer.alloc(size, 'x'))),
      });
      return [reply.status, ((await reply.json()) as { bytes?: number }).bytes];
    };
    expect(await send(100_000)).toEqual([200, 100_000]);
    expect(await send(100_001)).toEqual([413, undefined]);
  });

  it('refuses a body that unpacks to over a hundred times its size, an unknown encoding, and broken bytes', async () => {
    const server = await start({ routes: [measure] });
    const send = async (encoding: string, body: Buffer): Promise<unknown> => {
      const headers = { ...bearer(server.adminKey), 'content-encoding': encoding };
      const reply = await fetch(`${server.url}/measure`, { method: 'POST', headers, body: new Uint8Array(body) });
      const { error } = (await reply.json()) as { error: { code: string } };
      return [reply.status, error.code];
    };
    expect(await send('gzip', gzipSync(Buffer.alloc(50_000_000)))).toEqual([413, 'request-too-large']);
    expect(await send('compress', Buffer.from('x'))).toEqual([415, 'request-invalid']);
    expect(await send('zstd', Buffer.from('not zstd'))).toEqual([400, 'request-invalid']);
  });

  it('holds room for what has come of a body, and not for what a slow client says that will come', async () => {
    const server = await start({ routes: [measure], maxBodyBytes: 100_000, maxHeldBytes: 100_000 });
    const { port } = new URL(server.url);
    const head = `POST /measure HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${server.adminKey}\r\n`;
    const slow = connect(Number(port), '127.0.0.1');
    slow.write(`${head}content-length: 90000\r\n\r\n${'x'.repeat(40_000)}`);
    const heldBytes = async (): Promise<number> => {
      const metrics = await (await fetch(`${server.url}/metrics`, { headers: bearer(server.adminKey) })).text();
      return Number(/server_held_bytes (\d+)/u.exec(metrics)?.[1]);
    };
    await vi.waitUntil(async () => (await heldBytes()) === 40_000, hangGuard);
    const send = async (size: number): Promise<unknown> => {
      const body = 'x'.repeat(size);
      const reply = await fetch(`${server.url}/measure`, { method: 'POST', headers: bearer(server.adminKey), body });
      return [reply.status, reply.headers.get('retry-after')];
    };
    expect(await send(60_000)).toEqual([200, null]);
    expect(await send(60_001)).toEqual([503, '1']);
    slow.destroy();
    await vi.waitUntil(async () => (await heldBytes()) === 0, hangGuard);
    expect(await send(100_000)).toEqual([200, null]);
  });

  it('lets in by role, by Bearer, Basic and x-api-key, and nobody else', async () => {
    const keys = new KeyRing();
    const { key: runner, id } = await keys.add({ role: 'runner' });
    const { key: reader } = await keys.add({ role: 'reader' });
    const server = await start({ routes: [measure], keys });
    expect(server.adminKey).toBeUndefined();
    const ask = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`${server.url}/measure`, { method: 'POST', headers, body: 'x' })).status;
    const basic = (user: string, password: string): Record<string, string> => ({
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    });
    expect(await ask(bearer(runner))).toBe(200);
    expect(await ask(basic('runner', runner))).toBe(200);
    expect(await ask(basic(runner, ''))).toBe(200);
    expect(await ask({ 'x-api-key': runner })).toBe(200);
    expect(await ask(bearer(reader))).toBe(403);
    expect(await ask(bearer(`${runner}x`))).toBe(401);
    expect(await ask({})).toBe(401);
    const said = async (headers: Record<string, string>): Promise<string> =>
      (await fetch(`${server.url}/measure`, { method: 'POST', headers, body: 'x' })).text();
    for (const headers of [{}, { authorization: 'Bearer ' }, { 'x-api-key': '' }])
      expect(await said(headers)).toContain('no key was sent; send one as Authorization: Bearer');
    expect(await said(bearer('wrong'))).toContain('the key is wrong, expired or revoked');
    await keys.revoke(id);
    expect(await ask(bearer(runner))).toBe(401);
  });

  it('is open only where that is asked for, and only on the loopback', async () => {
    const server = await start({ routes: [measure], open: true });
    expect((await fetch(`${server.url}/measure`, { method: 'POST', body: 'x' })).status).toBe(200);
    const fromPage = { method: 'POST', body: 'x', headers: { origin: 'https://example.com' } };
    expect((await fetch(`${server.url}/measure`, fromPage)).status).toBe(403);
    await expect(start({ host: '0.0.0.0', open: true })).rejects.toMatchObject({ code: 'option-invalid' });
    await expect(start({ host: '0.0.0.0' })).rejects.toMatchObject({ message: expect.stringContaining('give keys') });
    const gateway = { serveAt: () => undefined, answer: async () => undefined, formatMetrics: () => '' };
    await expect(start({ host: '0.0.0.0', keys: new KeyRing(), gateway })).rejects.toMatchObject({
      message: expect.stringContaining('give publicUrl'),
    });
  });

  it('answers by the name of its publicUrl, which agents are given, and by no unknown one', async () => {
    const server = await start({ routes: [measure], open: true, publicUrl: 'http://Store-1.example:8080/' });
    const ask = async (host: string, path = '/measure', method = 'POST'): Promise<number | undefined> => {
      const asked = request(`${server.url}${path}`, { method, headers: { host } }).end(method === 'POST' ? 'x' : '');
      const [reply] = (await once(asked, 'response')) as [IncomingMessage];
      reply.resume();
      return reply.statusCode;
    };
    expect(await ask('store-1.example:8080')).toBe(200);
    expect(await ask('store-2.example:8080')).toBe(403);
    // As a load balancer asks.
    expect(await ask('192.0.2.2:4747', '/health', 'GET')).toBe(200);
  });

  it('answers what is no request, and headers that are too long, as JSON', async () => {
    const server = await start();
    const send = async (text: string): Promise<string> => {
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      socket.end(text);
      return (await socket.setEncoding('utf8').toArray()).join('');
    };
    expect(await send('nonsense\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 400 [^]*\r\n\r\n\{"error":\{.*"code":"request-invalid"/u,
    );
    const long = `GET /health HTTP/1.1\r\nhost: localhost\r\nlong: ${'x'.repeat(40_000)}\r\n\r\n`;
    expect(await send(long)).toMatch(/^HTTP\/1\.1 431 [^]*\r\n\r\n\{"error":\{.*"code":"request-too-large"/u);
  });

  it('leaves the store alone when it cannot listen', async () => {
    const { url } = await start();
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    closing.push(() => store.close());
    const signals: (AbortSignal | undefined)[] = [];
    const subscribe = store.subscribe.bind(store);
    store.subscribe = (options) => {
      signals.push(options?.signal);
      return subscribe(options);
    };
    const port = Number(new URL(url).port);
    await expect(startServer({ store, port })).rejects.toMatchObject({ code: 'port-unavailable' });
    expect(signals.map((signal) => signal?.aborted)).toEqual([true]);
  });

  it('shows nobody the failure of a route, but its operator', async () => {
    const log: ServerLogEntry[] = [];
    const broken: RouteSet = () => ({
      roles: 'everyone',
      answer: () => {
        throw new TypeError('the secret detail');
      },
    });
    const server = await start({ routes: [broken], log: (entry) => void log.push(entry) });
    const reply = await fetch(`${server.url}/any`);
    expect(reply.status).toBe(500);
    expect(await reply.text()).not.toContain('secret');
    expect(log.at(-1)).toMatchObject({ event: 'failed', message: expect.stringContaining('the secret detail') });
  });

  it('ends its waits and finishes what is under way when it closes', async () => {
    const arrived = Promise.withResolvers<void>();
    const waits: RouteSet = () => ({
      roles: 'everyone',
      answer: async (exchange) => {
        arrived.resolve();
        await new Promise((resolve) => exchange.draining.addEventListener('abort', resolve));
        exchange.json('done');
      },
    });
    const server = await start({ routes: [waits] });
    const reply = fetch(`${server.url}/wait`);
    await arrived.promise;
    await server.close();
    expect(await (await reply).json()).toBe('done');
  });
});
