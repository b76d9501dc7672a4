import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { listen, type Listener } from './listen.ts';

const lingerMs = 65_432;
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(): Promise<Listener> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    allowedHosts: ['Agents.Example'],
    requestTimeoutMs: 60_000,
    lingerMs,
    handle: () => expect.unreachable(),
    unreadableBody: (problem) => ({ problem }),
  });
  closing.push(() => listener.close());
  return listener;
}

describe('a client that keeps its half of a connection open', () => {
  it.each([
    ['after a request that is none', 'nonsense\r\n\r\n', 400, 'request-invalid'],
    ['after long headers', `GET / HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(60_000)}\r\n\r\n`, 431, 'request-too-large'],
    ['after two lengths', 'POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400, 'request-invalid'],
  ])('has its answer, and the connection is closed: %s', async (_name, bytes, status, code) => {
    using time = holdTimers(lingerMs);
    const { url, server } = await start();
    const socket = connect({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true });
    closing.push(() => void socket.destroy());
    const [accepted] = (await once(server, 'connection')) as [Socket];
    const closed = once(accepted, 'close');
    socket.write(bytes);
    const [head = '', body = ''] = (await socket.setEncoding('utf8').toArray()).join('').split('\r\n\r\n');
    expect(head.startsWith(`HTTP/1.1 ${status} `)).toBe(true);
    expect(head).toContain(`content-length: ${body.length}`);
    expect(JSON.parse(body)).toMatchObject({ problem: { status, code } });
    time.end();
    await closed;
    expect(await promisify(server.getConnections.bind(server))()).toBe(0);
  });
});

it('knows its own names, with any port and in capitals, and no others', async () => {
  const { isKnownHost } = await start();
  const own = ['127.0.0.1', 'LOCALHOST:80', '[::1]:4747', 'agents.example:443'];
  expect(own.filter((host) => !isKnownHost(host))).toEqual([]);
  expect(['', 'example', 'localhost.example', '127.0.0.1.example', undefined].filter(isKnownHost)).toEqual([]);
});

it('names the port that is taken and what to do', async () => {
  const { url } = await start();
  const port = Number(new URL(url).port);
  const options = {
    host: '127.0.0.1',
    allowedHosts: [],
    requestTimeoutMs: 60_000,
    handle: () => {},
    unreadableBody: Object,
  };
  await expect(listen({ ...options, port })).rejects.toMatchObject({
    name: 'ConfigurationError',
    code: 'port-unavailable',
    message: expect.stringContaining(`port ${port} of 127.0.0.1 is in use`),
  });
});
