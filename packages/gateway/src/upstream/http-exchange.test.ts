import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { exchange, readBody } from './http-exchange.ts';

const servers: Server[] = [];

/** An upstream that does this with each connection once it is asked. */
async function upstream(answer: (socket: Socket) => void): Promise<URL> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined).once('data', () => answer(socket));
  });
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/chat/completions`);
}

function ask(url: URL): ReturnType<typeof exchange> {
  const { signal } = new AbortController();
  return exchange({ url, apiKey: undefined, body: Buffer.from('{}'), accept: '*/*', signal });
}

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

describe('exchange', () => {
  it.each(['', 'HTTP/1.1 200 OK\r\n', 'HTTP/1.1 103 Early Hints\r\n\r\n'])(
    'asks once when the connection breaks after %j',
    async (text) => {
      let asked = 0;
      const url = await upstream((socket) => {
        asked += 1;
        socket.end(text);
      });
      await expect(ask(url)).rejects.toMatchObject({ code: 'upstream-failed', retryable: true });
      expect(asked).toBe(1);
    },
  );
});

describe('readBody', () => {
  it('gives a connection up that goes on after the body was enough', async () => {
    const closed = Promise.withResolvers<void>();
    const url = await upstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\ndone\r\n');
      const pings = setInterval(() => socket.write('4\r\nping\r\n'), 20);
      socket.on('close', () => {
        clearInterval(pings);
        closed.resolve();
      });
    });
    const reply = await ask(url);
    const pieces: string[] = [];
    await readBody(reply, { url, limitBytes: 1_000, signal: new AbortController().signal }, (read) => {
      pieces.push(...read.map(String));
      return 'enough';
    });
    expect(pieces[0]).toBe('done');
    await closed.promise;
  });
});
