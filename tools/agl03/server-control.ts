import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startServer, type Server } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';

/** Starts and ends servers for a program that is not ours. */
export interface ServerControl {
  readonly url: string;
  close(): Promise<void>;
}

/** What `POST /start` asks for. */
interface Wish {
  readonly port: number;
  /** The addresses of pages that may use the server, as 0.3 takes them. */
  readonly origins?: string | readonly string[] | null;
}

/** Listens for `POST /start`, which answers with the address of a fresh server with an empty store, and for `POST /stop`. */
export async function startServerControl(): Promise<ServerControl> {
  const running = new Map<string, { readonly server: Server; readonly store: MemoryStore }>();
  const control = createServer((request, response) => {
    void answer(request).then(
      (reply) => response.end(JSON.stringify(reply)),
      (error: unknown) => response.writeHead(500).end(JSON.stringify({ error: String(error) })),
    );
  });
  const answer = async (request: IncomingMessage): Promise<unknown> => {
    const body = await readBody(request);
    if (request.url === '/start') return { url: await start(body as Wish) };
    return { stopped: await stop((body as { readonly url: string }).url) };
  };
  const start = async ({ port, origins }: Wish): Promise<string> => {
    const store = new MemoryStore();
    const server = await startServer({ store, port, open: true, allowedOrigins: [origins ?? []].flat() });
    running.set(server.url, { server, store });
    return server.url;
  };
  const stop = async (url: string): Promise<boolean> => {
    const found = running.get(url);
    running.delete(url);
    await found?.server.close({ drainMs: 100 });
    await found?.store.close();
    return found !== undefined;
  };
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(control.address() as AddressInfo).port}`,
    async close() {
      for (const url of running.keys()) await stop(url);
      control.closeAllConnections();
      await new Promise((resolve) => control.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return JSON.parse(Buffer.concat(chunks).toString('utf8') || '{}');
}
