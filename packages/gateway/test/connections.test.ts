import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { listen, type ListenOptions, type Listener } from '../src/http/listen.ts';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll } from './harness.ts';

afterEach(stopAll);

async function start(options: Partial<ListenOptions> = {}): Promise<Listener> {
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    allowedHosts: [],
    handle: (_request, response) => void response.end('ok'),
    ...options,
  });
  onStop(async () => {
    const closed = listener.close();
    listener.server.closeAllConnections();
    await closed;
  });
  return listener;
}

function open(url: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on('error', () => undefined);
  onStop(() => Promise.resolve(void socket.destroy()));
  return socket;
}

async function answerOf(socket: Socket): Promise<string> {
  let answer = '';
  for await (const chunk of socket) answer += String(chunk);
  return answer;
}

describe('connections without a key', () => {
  it('are closed, oldest first, when there are too many, and those with one go on', async () => {
    const { gateway, endpoint } = await startHarness({ maxConnections: 20 });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    onStop(() => Promise.resolve(agent.destroy()));
    const ask = (): Promise<Socket> =>
      new Promise((resolve, reject) => {
        const headers = { 'x-api-key': endpoint.apiKey };
        httpRequest(`${endpoint.baseUrl}/models`, { agent, headers }, (response) => {
          expect(response.statusCode).toBe(200);
          const { socket } = response;
          response.on('end', () => resolve(socket)).resume();
        })
          .on('error', reject)
          .end();
      });
    const connection = await ask();
    const flood = Array.from({ length: 60 }, () => open(gateway.url));
    const closed = flood.map((socket) => once(socket.resume(), 'close'));
    await Promise.all(closed.slice(0, 50));
    expect(flood.slice(50).every((socket) => !socket.destroyed)).toBe(true);
    expect(await ask()).toBe(connection);
    // A request without a valid key is answered, and earns no place.
    const guesses = Array.from({ length: 30 }, () => open(gateway.url));
    const gone = guesses.map((socket) => once(socket.resume(), 'close'));
    for (const socket of guesses)
      socket
        .resume()
        .write(`GET /rollout/a/attempt/b/v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: guess\r\n\r\n`);
    await Promise.all(gone.slice(0, 20));
    expect(await ask()).toBe(connection);
  });

  it('are few even where all have a key: the one that is idle for longest makes room', async () => {
    const listener = await start({
      maxConnections: 4,
      handle: (request, response) => {
        listener.trust(request);
        response.end('ok');
      },
    });
    const sockets: Socket[] = [];
    const closed: Promise<unknown>[] = [];
    for (let index = 0; index < 6; index += 1) {
      const socket = open(listener.url);
      sockets.push(socket);
      closed.push(once(socket.resume(), 'close'));
      socket.write('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
      await once(socket, 'data');
    }
    await Promise.all(closed.slice(0, 2));
    expect(sockets.slice(2).every((socket) => !socket.destroyed)).toBe(true);
  });
});

const systemBacklog = ((): number => {
  try {
    return Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'));
  } catch {
    return 0;
  }
})();

describe('a gateway that is busy', () => {
  it.skipIf(systemBacklog < 1_000)('keeps the connections of a thousand agents until it accepts them', async () => {
    const script = fileURLToPath(new URL('blocked-listener.ts', import.meta.url));
    const child = spawn(process.execPath, ['--conditions=@agent-lightning/source', script], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    onStop(() => Promise.resolve(void child.kill('SIGKILL')));
    const [url] = (await once(createInterface(child.stdout), 'line')) as [string];
    // With the system's default, those after the 511th would be told nothing and try again seconds later.
    const sockets = Array.from({ length: 900 }, () => open(url));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    child.stdin.write('\n');
    const last = sockets.at(-1) as Socket;
    last.write('GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n');
    expect(await answerOf(last)).toContain('here');
  });
});
