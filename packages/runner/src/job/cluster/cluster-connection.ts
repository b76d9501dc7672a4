import {
  Agent as HttpAgent,
  request as requestHttp,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type RequestOptions,
} from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import type { ClusterAccess, Identity } from './cluster-access.ts';

export interface ClusterRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Takes the bytes of an answer with status 200 in place of `body`. */
  readonly onData?: (chunk: Buffer) => void;
  /** Called before the first bytes of each try. */
  readonly onStart?: () => void;
}

export interface ClusterReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Says who the request came from. */
  readonly identity: Identity;
}

/** The longest time without a sign of life of the server. */
const silenceLimitMs = 30_000;

/** Sends requests to the API server of one cluster over connections that are kept. */
export class ClusterConnection {
  readonly #access: ClusterAccess;
  #agent: HttpAgent | HttpsAgent | undefined;
  /** The certificate that the connections of `#agent` show. */
  #certificate: string | undefined;

  constructor(access: ClusterAccess) {
    this.#access = access;
  }

  /** Sends a request and resolves with the whole answer, whatever its status. It rejects when none came, or the signal aborts. */
  async send(request: ClusterRequest, rejected: Identity | undefined, signal: AbortSignal): Promise<ClusterReply> {
    const identity = await this.#access.identify(rejected);
    signal.throwIfAborted();
    return await this.#exchange(request, identity, signal);
  }

  #exchange(request: ClusterRequest, identity: Identity, signal: AbortSignal): Promise<ClusterReply> {
    const { server } = this.#access;
    const send = server.protocol === 'https:' ? requestHttps : requestHttp;
    const body = request.body === undefined ? undefined : JSON.stringify(request.body);
    return new Promise((resolve, reject) => {
      const outgoing = send(this.#address(request), this.#options(request, identity, body, signal), (response) => {
        const { statusCode: status = 0, headers } = response;
        const chunks: Buffer[] = [];
        const take = status === 200 ? request.onData : undefined;
        request.onStart?.();
        response.on('data', (chunk: Buffer) => (take === undefined ? chunks.push(chunk) : take(chunk)));
        response.on('error', reject);
        response.on('close', () => {
          if (!response.complete) return reject(new TypeError('the connection was cut'));
          return resolve({ status, headers, body: Buffer.concat(chunks).toString('utf8'), identity });
        });
      });
      outgoing.on('timeout', () => outgoing.destroy(new TypeError(`no answer within ${silenceLimitMs} ms`)));
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  #address({ path, query = {} }: ClusterRequest): URL {
    const url = new URL(`${this.#access.server.href.replace(/\/+$/u, '')}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    return url;
  }

  #options(
    { method }: ClusterRequest,
    identity: Identity,
    body: string | undefined,
    signal: AbortSignal,
  ): RequestOptions {
    const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
    const headers: OutgoingHttpHeaders = {
      ...this.#access.headers,
      accept: 'application/json',
      'user-agent': 'agent-lightning',
      ...(identity.token !== undefined && { authorization: `Bearer ${identity.token}` }),
      ...(body !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(body) }),
    };
    return { method, headers, agent: this.#agentFor(identity), timeout: silenceLimitMs, signal };
  }

  /** Returns the connections that show a certificate; a renewed one needs new connections. */
  #agentFor({ certificate, key }: Identity): HttpAgent | HttpsAgent {
    if (this.#agent !== undefined && this.#certificate === certificate) return this.#agent;
    this.#certificate = certificate;
    const { server, authority, serverName, verifies } = this.#access;
    const kept = { keepAlive: true, scheduling: 'lifo' } as const;
    this.#agent =
      server.protocol === 'http:'
        ? new HttpAgent(kept)
        : new HttpsAgent({
            ...kept,
            rejectUnauthorized: verifies,
            ...(authority !== undefined && { ca: authority }),
            ...(serverName !== undefined && { servername: serverName }),
            ...(certificate !== undefined && { cert: certificate, key }),
          });
    return this.#agent;
  }
}
