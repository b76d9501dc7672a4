/** A server that answers as a recorded one did, to a client that sends what the recorded one was sent. */
import { isDeepStrictEqual } from 'node:util';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ConfigurationError, type JsonValue } from '@agent-lightning/core';
import { fromRecorded, RequestNormalizer, toRecorded, type ExchangeFixture } from './exchange-fixture.ts';

export interface ReplayServer {
  readonly url: string;
  /** Exchanges that were not asked for yet. */
  readonly left: number;
  /** The first request that was not recorded, with the first one that is still expected; undefined while all were. */
  readonly difference: ReplayDifference | undefined;
  close(): Promise<void>;
}

export interface ReplayDifference {
  readonly index: number;
  readonly sent: JsonValue;
  readonly expected: JsonValue;
}

/** Starts a replay on a free port of the loopback interface. A request that differs from the recorded one is answered 418. */
export async function startReplayServer(fixture: ExchangeFixture): Promise<ReplayServer> {
  const recorded = new RequestNormalizer();
  const live = new RequestNormalizer();
  const names = new Map<string, string>();
  const waiting = fixture.exchanges.map((exchange) => {
    const { method, path, request } = exchange;
    return { exchange, expected: recorded.normalize({ method, path, request }) };
  });
  let difference: ReplayDifference | undefined;
  let requests = 0;
  const server = createServer((request, response) => {
    void readBody(request).then((body) => {
      const { method = 'GET', url: path = '/' } = request;
      const sent = live.normalize({ method, path, request: body });
      const index = requests++;
      // Requests that run beside each other may come in another order; sequence ids keep those of a model apart.
      const found = waiting.findIndex(({ expected }) => isDeepStrictEqual(sent, expected));
      if (found >= 0) {
        const [{ exchange }] = waiting.splice(found, 1) as [(typeof waiting)[number]];
        learnNames(exchange.request, body, names);
        const { bytes, contentType } = fromRecorded(rename(exchange.response, names));
        response.writeHead(exchange.status, { 'content-type': contentType });
        response.end(exchange.status === 204 ? undefined : bytes);
        return;
      }
      difference ??= { index, sent, expected: waiting[0]?.expected ?? 'nothing more' };
      response.writeHead(418, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ error: `request ${index} is not as recorded` }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo | null;
  if (address === null) throw new ConfigurationError('the replay has no port', { code: 'port-unavailable' });
  return {
    url: `http://127.0.0.1:${address.port}`,
    get left() {
      return waiting.length;
    },
    get difference() {
      return difference;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

const uuid = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g;

/** What the recorded client called something, and what this one calls it: answers must use this one's names. */
function learnNames(recorded: JsonValue, live: JsonValue, names: Map<string, string>): void {
  const theirs = JSON.stringify(recorded).match(uuid) ?? [];
  const ours = JSON.stringify(live).match(uuid) ?? [];
  theirs.forEach((name, index) => names.set(name, ours[index] ?? name));
}

function rename(body: JsonValue, names: ReadonlyMap<string, string>): JsonValue {
  return JSON.parse(JSON.stringify(body).replaceAll(uuid, (name) => names.get(name) ?? name)) as JsonValue;
}

async function readBody(request: IncomingMessage): Promise<JsonValue> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return toRecorded(Buffer.concat(chunks), request.headers['content-type']);
}
