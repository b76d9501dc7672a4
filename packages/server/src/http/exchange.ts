import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../keys/caller.ts';
import type { BodyRoom } from './body-room.ts';
import { RequestError } from './request-error.ts';

/** Gives an exchange its parts. */
export interface ExchangeParts {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly caller: Caller;
  readonly bodies: BodyRoom;
  /** Aborts when the server drains. */
  readonly draining: AbortSignal;
}

/** One request, who makes it, and how it is answered. Answer it once, with `json` or `bytes`, or by writing to `response` yourself. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The path without the query, as it came: percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly caller: Caller;
  /** Aborts when the client goes away before its answer; a long wait ends then. */
  readonly signal: AbortSignal;
  /** Aborts when the server is told to end: a long wait should then answer with what it has. */
  readonly draining: AbortSignal;
  readonly #bodies: BodyRoom;
  readonly #over: Promise<void>;

  constructor(parts: ExchangeParts) {
    const { request, response, path, query, caller, bodies, draining } = parts;
    this.request = request;
    this.response = response;
    this.path = path;
    this.query = query;
    this.caller = caller;
    this.draining = draining;
    this.#bodies = bodies;
    const left = new AbortController();
    this.signal = left.signal;
    this.#over = new Promise((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) left.abort(new RequestError('the client went away', { code: 'cancelled' }));
        resolve();
      });
    });
  }

  get headers(): IncomingHttpHeaders {
    return this.request.headers;
  }

  /** Reads the body, unpacked from gzip, deflate, br or zstd. @param mostBytes a smaller limit than the server's, of decompressed bytes @throws {RequestError} */
  readBytes(mostBytes?: number): Promise<Buffer> {
    return this.#bodies.read(this.request, this.#over, mostBytes);
  }

  /** Reads the body as JSON. @throws {RequestError} `request-invalid` for another content type, or text that is no JSON */
  async readJson(mostBytes?: number): Promise<unknown> {
    const type = this.headers['content-type'] ?? '';
    // A page of another site can make a browser send other types without asking first.
    if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/iu.test(type))
      throw new RequestError(`the content type must be application/json, not "${type.slice(0, 80)}"`, {
        code: 'request-invalid',
        status: 415,
      });
    const bytes = await this.readBytes(mostBytes);
    // Else other characters would be kept than were sent.
    if (!isUtf8(bytes))
      throw new RequestError('the request body is not UTF-8, which JSON is written in', { code: 'request-invalid' });
    try {
      return JSON.parse(bytes.toString('utf8')) as unknown;
    } catch (cause) {
      throw new RequestError(`the request body is not valid JSON: ${(cause as Error).message.slice(0, 200)}`, {
        code: 'request-invalid',
        cause,
      });
    }
  }

  /** Answers with JSON. */
  json(value: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    this.bytes(Buffer.from(JSON.stringify(value) ?? 'null'), 'application/json; charset=utf-8', status, headers);
  }

  /** Answers with bytes of the given content type. */
  bytes(body: Buffer, type: string, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    if (this.response.destroyed) return;
    this.response
      .writeHead(status, { ...headers, 'content-type': type, 'content-length': body.length })
      .end(this.request.method === 'HEAD' ? undefined : body);
  }
}
