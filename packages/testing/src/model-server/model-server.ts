import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { check, ConfigurationError, type JsonValue } from '@agent-lightning/core';
import { asChatRequest } from './completion-dialect.ts';
import { readBody } from './read-body.ts';
import { chatRoute, completionRoute, partsOf, statusReply, type Route } from './reply-parts.ts';
import type { ChatRequest, ScriptedFault, ScriptedReply } from './scripted-reply.ts';
import { writeReply, type ReplyParts } from './write-reply.ts';

/** A request that the server got, kept for assertions. */
export interface RecordedCall {
  /** The call's number, from 0, in order of arrival. */
  readonly index: number;
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** The parsed body; undefined for a GET. */
  readonly body: JsonValue | undefined;
  /** Resolves when the exchange is over: true when the client took the whole reply, false when it went away. */
  readonly finished: Promise<boolean>;
}

/** Returns the reply to a call. */
export type Responder = (
  request: ChatRequest,
  call: RecordedCall,
) => ScriptedReply | string | Promise<ScriptedReply | string>;

export interface ModelServerOptions {
  /** A function, or replies that are used in order (a call beyond them is answered 500). @default every call is answered 'ok' */
  readonly respond?: Responder | readonly (ScriptedReply | string)[];
  /** Calls without `Authorization: Bearer {apiKey}` are answered 401. @default no key is asked for */
  readonly apiKey?: string;
  /** The models that `GET /v1/models` lists. @default ['scripted'] */
  readonly models?: readonly string[];
  /**
   * Answers calls in the model server's place: routes that it does not have, such as `GET /health`, or calls that your server
   * refuses. Returns false for a call that it leaves to the model server. @default none
   */
  readonly intercept?: (call: RecordedCall, response: ServerResponse) => boolean;
  /** The port that the server listens on. @default a free one */
  readonly port?: number;
}

/** A scripted OpenAI-compatible server on the loopback interface. */
export interface ModelServer {
  /** The server's address, which ends in `/v1`. */
  readonly baseUrl: string;
  /** Every request so far, answered or not. */
  readonly calls: readonly RecordedCall[];
  /** Replaces the script for the calls to come. */
  respondWith(respond: NonNullable<ModelServerOptions['respond']>): void;
  close(): Promise<void>;
}

function withContentType(parts: ReplyParts, fault: ScriptedFault | undefined): ReplyParts {
  if (fault?.type !== 'content-type') return parts;
  return {
    status: 200,
    headers: { ...parts.headers, 'content-type': fault.contentType },
    parts: fault.body === undefined ? parts.parts : [Buffer.from(fault.body)],
  };
}

/** Returns an embedding of two dimensions for each input, made from its length. */
function embeddingReply(request: Record<string, unknown>): ReplyParts {
  const inputs: unknown[] = Array.isArray(request['input']) ? request['input'] : [request['input']];
  const data = inputs.map((input, index) => ({
    object: 'embedding',
    index,
    embedding: [String(input).length, -1],
  }));
  const usage = { prompt_tokens: inputs.length, total_tokens: inputs.length };
  const body = JSON.stringify({ object: 'list', data, model: request['model'], usage });
  return { status: 200, headers: { 'content-type': 'application/json' }, parts: [Buffer.from(body)] };
}

function finishedOf(response: ServerResponse): Promise<boolean> {
  return new Promise((resolve) => response.once('close', () => resolve(response.writableFinished)));
}

function responderOf(respond: ModelServerOptions['respond']): Responder {
  if (respond === undefined) return () => 'ok';
  if (typeof respond === 'function') return respond;
  let next = 0;
  return () =>
    respond[next++] ?? {
      fault: { type: 'status', status: 500, message: `the script has only ${respond.length} replies` },
    };
}

/** Starts a scripted OpenAI-compatible model server: records its calls, streams, reports tokens as vLLM does, and fails on demand. */
export async function startModelServer(options: ModelServerOptions = {}): Promise<ModelServer> {
  check.knownOptions('startModelServer', options, ['respond', 'apiKey', 'models', 'intercept', 'port']);
  const calls: RecordedCall[] = [];
  let responder = responderOf(options.respond);

  async function answerModel(
    route: Route,
    request: ChatRequest,
    call: RecordedCall,
    response: ServerResponse,
  ): Promise<void> {
    const scripted = await responder(request, call);
    const reply: ScriptedReply = typeof scripted === 'string' ? { content: scripted } : scripted;
    if (reply.delayMs !== undefined) await wait(reply.delayMs);
    const fault = reply.fault;
    const parts =
      fault?.type === 'status'
        ? statusReply(fault.status, fault.message ?? `scripted status ${fault.status}`, fault)
        : withContentType(partsOf(route, request, reply, call.index), fault);
    await writeReply(response, parts, fault, reply.writeBytes);
  }

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?')[0] ?? '/';
    const body = await readBody(request);
    const call: RecordedCall = {
      index: calls.length,
      method: request.method ?? 'GET',
      path,
      headers: request.headers,
      body,
      finished: finishedOf(response),
    };
    calls.push(call);
    if (options.intercept?.(call, response) === true) return;
    if (options.apiKey !== undefined && request.headers.authorization !== `Bearer ${options.apiKey}`) {
      return writeReply(response, statusReply(401, 'wrong or missing API key'), undefined, undefined);
    }
    if (call.method === 'GET' && path === '/v1/models') {
      const data = (options.models ?? ['scripted']).map((id) => ({
        id,
        object: 'model',
        created: 1_700_000_000,
        owned_by: 'scripted',
      }));
      return writeReply(
        response,
        {
          status: 200,
          headers: { 'content-type': 'application/json' },
          parts: [Buffer.from(JSON.stringify({ object: 'list', data }))],
        },
        undefined,
        undefined,
      );
    }
    if (call.method === 'POST' && path === chatRoute.path)
      return answerModel(chatRoute, body as unknown as ChatRequest, call, response);
    if (call.method === 'POST' && path === completionRoute.path)
      return answerModel(completionRoute, asChatRequest(body as Record<string, unknown>), call, response);
    if (call.method === 'POST' && path === '/v1/embeddings')
      return writeReply(response, embeddingReply(body as Record<string, unknown>), undefined, undefined);
    return writeReply(response, statusReply(404, `no route ${call.method} ${path}`), undefined, undefined);
  }

  const server = createServer((request, response) => {
    response.on('error', () => response.destroy());
    handle(request, response).catch((error: unknown) => {
      // A script that throws must fail the test that wrote it, through the client's error.
      if (response.headersSent) response.destroy();
      else void writeReply(response, statusReply(500, `the script threw: ${String(error)}`), undefined, undefined);
    });
  });
  // A client on a busy machine may take up a connection again that Node would have closed after 5 s, and read a reset.
  server.keepAliveTimeout = 120_000;
  server.listen(options.port ?? 0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo | null;
  if (address === null) throw new ConfigurationError('the model server has no port', { code: 'port-unavailable' });

  return {
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    calls,
    respondWith(respond): void {
      responder = responderOf(respond);
    },
    async close(): Promise<void> {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
