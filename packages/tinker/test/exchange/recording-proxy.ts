/** A proxy that writes down what passes through it. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigurationError } from '@agent-lightning/core';
import { toRecorded, type RecordedExchange } from './exchange-fixture.ts';

export interface RecordingProxy {
  readonly url: string;
  /** In the order in which answers came; heartbeats are left out, since they come when they like. */
  readonly exchanges: readonly RecordedExchange[];
  close(): Promise<void>;
}

/** Headers of one connection, which a proxy does not hand on. */
const hopHeaders: ReadonlySet<string> = new Set([
  'connection',
  'content-encoding',
  'content-length',
  'host',
  'keep-alive',
  'transfer-encoding',
]);

/** Starts a recording proxy before `target`, on a free port of the loopback interface. */
export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const exchanges: RecordedExchange[] = [];
  const server = createServer((request, response) => {
    response.on('error', () => response.destroy());
    pass(request, response).catch(() => response.destroy());
  });

  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/' } = request;
    const sent = await readAll(request);
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const headers = Object.entries(request.headers).filter(([name]) => !hopHeaders.has(name));
    const answer = await fetch(`${target}${path}`, {
      method,
      headers: headers as [string, string][],
      redirect: 'manual',
      signal: gone.signal,
      ...(sent.length === 0 ? {} : { body: new Uint8Array(sent) }),
    });
    const received = Buffer.from(await answer.arrayBuffer());
    if (!path.endsWith('/session_heartbeat'))
      exchanges.push({
        method,
        path,
        request: toRecorded(sent, request.headers['content-type']),
        status: answer.status,
        response: toRecorded(received, answer.headers.get('content-type')),
      });
    const kept = [...answer.headers].filter(([name]) => !hopHeaders.has(name));
    response.writeHead(answer.status, Object.fromEntries(kept)).end(received);
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo | null;
  if (address === null) throw new ConfigurationError('the proxy has no port', { code: 'port-unavailable' });
  return {
    url: `http://127.0.0.1:${address.port}`,
    exchanges,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
