import { Agent as HttpAgent, request as requestHttp, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { StoreError } from '@agent-lightning/core';

export interface HttpReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface HttpRequest {
  readonly path: string;
  readonly body: string;
  /** The longest time without a sign of life of the server. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Sends requests to one server over connections that are kept. */
export class HttpConnection {
  readonly #url: URL;
  readonly #key: string | undefined;
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(url: URL, key: string | undefined) {
    this.#url = url;
    this.#key = key;
    const options = { keepAlive: true, scheduling: 'lifo' } as const;
    this.#agent = url.protocol === 'https:' ? new HttpsAgent(options) : new HttpAgent(options);
  }

  /** Sends JSON and returns the whole answer. @throws StoreError `store-unavailable`, retryable, when none came */
  post({ path, body, timeoutMs, signal }: HttpRequest): Promise<HttpReply> {
    const send = this.#url.protocol === 'https:' ? requestHttps : requestHttp;
    return new Promise((resolve, reject) => {
      const fail = (cause: unknown): void => reject(this.#away(cause));
      const request = send(
        new URL(`${this.#url.href.replace(/\/+$/u, '')}${path}`),
        {
          method: 'POST',
          agent: this.#agent,
          timeout: timeoutMs,
          headers: {
            'content-type': 'application/json',
            'content-length': Buffer.byteLength(body),
            ...(this.#key === undefined ? {} : { authorization: `Bearer ${this.#key}` }),
          },
          ...(signal === undefined ? {} : { signal }),
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', fail);
          response.on('close', () => {
            if (!response.complete) return fail('the connection was cut');
            const { statusCode = 0, headers } = response;
            return resolve({ status: statusCode, headers, body: Buffer.concat(chunks).toString('utf8') });
          });
        },
      );
      request.on('timeout', () =>
        request.destroy(new StoreError(`no answer within ${timeoutMs} ms`, { code: 'store-unavailable' })),
      );
      request.on('error', fail);
      request.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  #away(cause: unknown): StoreError {
    const why = cause instanceof Error ? cause.message || String((cause as NodeJS.ErrnoException).code) : String(cause);
    return new StoreError(`the server at ${this.#url.origin} did not answer: ${why}`, {
      code: 'store-unavailable',
      retryable: true,
      cause,
    });
  }
}
