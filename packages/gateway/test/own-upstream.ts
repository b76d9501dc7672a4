import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Claim, LlmEndpoint, NamedResources, Span } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { promptKit, type replacePrompts } from '@agent-lightning/tracing';
import { Gateway, type GatewayLogEntry, type GatewayOptions } from '../src/index.ts';
import { onStop } from './harness.ts';

type FoundPrompt = Parameters<typeof replacePrompts>[2][number]['prompt'];

/** A request as a server got it. */
export interface Received {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Answers a request of the server that an agent asks by itself. */
export type Answer = (received: Received, response: ServerResponse) => void;

export const ownKey = 'sk-own-0123456789abcdef0123456789';

/** Starts a server that keeps the bytes that it got. */
export async function startOwnServer(answer: Answer) {
  const received: Received[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const { method, url, headers } = request;
      const got = { method, url, headers, body: Buffer.concat(pieces).toString() };
      received.push(got);
      answer(got, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onStop(async () => {
    server.closeAllConnections();
    server.close();
  });
  return { received, baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

/** Starts a gateway that hands calls on to a server, and keeps the texts of rollouts. */
export async function startOwnGateway(answer: Answer, options: Partial<GatewayOptions> = {}) {
  const { received, baseUrl } = await startOwnServer(answer);
  const store = new MemoryStore();
  const logged: GatewayLogEntry[] = [];
  const server = { baseUrl: `${baseUrl}/v1`, apiKey: ownKey };
  const gateway = await Gateway.start({
    store,
    ownModels: { openai: server, anthropic: server },
    log: (entry) => void logged.push(entry),
    ...options,
  });
  onStop(async () => {
    await gateway.close();
    await store.close();
  });
  const openWith = async (resourcesId?: string): Promise<{ claim: Claim; endpoint: LlmEndpoint }> => {
    await store.enqueue([{ input: null, ...(resourcesId !== undefined && { resourcesId }) }]);
    const [claim] = await store.claim({ workerId: 'own', leaseMs: 600_000 });
    return { claim: claim!, endpoint: await gateway.openAttempt(claim!) };
  };
  return {
    store,
    gateway,
    received,
    logged,
    openWith,
    /** Opens an attempt of a rollout that tries these texts. */
    async open(found: readonly FoundPrompt[] = [], texts: Readonly<Record<string, string>> = {}, id = 'candidate') {
      const resources: NamedResources = promptKit.toPromptResources(found, texts);
      await store.putResources(id, resources);
      return await openWith(id);
    },
    async finish(claim: Claim): Promise<readonly Span[]> {
      await gateway.closeAttempt(claim);
      return await store.querySpans({ rolloutIds: [claim.rollout.rolloutId] });
    },
  };
}

/** Sends a body as an agent does, with its attempt's key. */
export function post(
  { baseUrl, apiKey }: LlmEndpoint,
  path: string,
  body: string,
  headers: Record<string, string> = {},
) {
  return fetch(`${baseUrl}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${apiKey}`, ...headers },
    body,
  });
}

/** Answers with JSON. */
export function sendJson(response: ServerResponse, payload: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(payload));
}
