/** Sends one HTTP request to a Tinker-style server and reads its answer. */
import { LightningError, TimeoutError } from '@agent-lightning/core';
import { serverMessage } from './server-errors.ts';

/** The content type of protobuf messages in this protocol. */
export const protobufType = 'application/x-protobuf';

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** The path below the base URL, such as `/api/v1/forward`. */
  readonly path: string;
  /** An object, sent as JSON; or the bytes of a protobuf message. */
  readonly body?: object | Uint8Array<ArrayBuffer>;
  readonly headers?: Readonly<Record<string, string>>;
  /** A key that is the same for every try of one operation, so that a server can tell a repetition. */
  readonly idempotencyKey?: string;
  /** The longest time until the whole answer is here. */
  readonly timeoutMs: number;
  /** @default redirects are followed */
  readonly redirect?: 'manual';
}

/** A server's answer, whatever its status. */
export interface HttpReply {
  readonly arrived: true;
  readonly status: number;
  readonly headers: Headers;
  /** The parsed body; undefined when it is no JSON. */
  readonly json: unknown;
  /** The reason in it, as errors and logs may have it: without the key, which some servers repeat. Undefined where there is none. */
  readonly said: string | undefined;
  /** The bytes of a body that is a protobuf message. */
  readonly protobuf: Uint8Array | undefined;
}

/** A request without an answer: refused, reset, cut off, or nothing in time. It is not known whether the server did the work. */
export interface NoReply {
  readonly arrived: false;
  readonly problem: string;
  readonly timedOut: boolean;
  /** True when there was no connection, so that the server cannot have seen anything. */
  readonly unsent: boolean;
}

export interface HttpOptions {
  /** The server's address, without a trailing slash. */
  readonly url: string;
  readonly apiKey: string | undefined;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * Sends one request and returns the answer, whatever its status, or why none came.
 * @throws {TimeoutError} `cancelled`, or the reason of `signal` when that is an error of this project
 */
export async function exchange(
  options: HttpOptions,
  request: HttpRequest,
  signal: AbortSignal,
): Promise<HttpReply | NoReply> {
  const timeout = AbortSignal.timeout(Math.ceil(request.timeoutMs));
  try {
    const response = await sendRequest(options, request, AbortSignal.any([signal, timeout]));
    const { status, headers } = response;
    if (headers.get('content-type')?.includes(protobufType) === true)
      return {
        arrived: true,
        status,
        headers,
        json: undefined,
        said: undefined,
        protobuf: new Uint8Array(await response.arrayBuffer()),
      };
    const json = parse(await response.text()); // as it is: a key may be as short as a token's id
    return { arrived: true, status, headers, json, said: serverMessage(json, options.apiKey), protobuf: undefined };
  } catch (error) {
    throwIfAborted(signal);
    const problem = describeFailure(error);
    return { arrived: false, problem, timedOut: timeout.aborted, unsent: unsentCodes.has(problem) };
  }
}

/** Sends a request and returns the response itself, for bodies that are streamed. The key goes into a header and nowhere else. */
export async function sendRequest(
  { url, apiKey, fetch }: HttpOptions,
  { method, path, body, headers, idempotencyKey, redirect }: Omit<HttpRequest, 'timeoutMs'>,
  signal: AbortSignal,
): Promise<Response> {
  return await fetch(`${url}${path}`, {
    method,
    signal,
    ...(redirect === undefined ? {} : { redirect }),
    headers: {
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': isMessage(body) ? protobufType : 'application/json' }),
      ...(apiKey === undefined ? {} : { 'X-API-Key': apiKey }),
      ...(idempotencyKey === undefined ? {} : { 'X-Idempotency-Key': idempotencyKey }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: isMessage(body) ? body : JSON.stringify(body) }),
  });
}

/** Throws when the signal has aborted. @throws {TimeoutError} `cancelled`, or the signal's reason when that is an error of this project */
export function throwIfAborted(signal: AbortSignal): void {
  if (!signal.aborted) return;
  if (LightningError.isInstance(signal.reason)) throw signal.reason;
  throw new TimeoutError('The call to the training server was cancelled by its signal.', {
    code: 'cancelled',
    cause: signal.reason,
  });
}

function isMessage(body: object): body is Uint8Array<ArrayBuffer> {
  return body instanceof Uint8Array;
}

const unsentCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Names a failure by the cause of `fetch`'s error, whose own message says only that it failed. */
function describeFailure(error: unknown): string {
  const { cause, message } = error as Error;
  const { code, message: detail } = (cause ?? {}) as NodeJS.ErrnoException;
  return code ?? (detail === undefined || detail === '' ? String(message) : detail);
}

/** Parses JSON, with null for `NaN` and `Infinity`, which Python writes and JSON does not have; returns undefined for other text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return /\b(?:NaN|Infinity)\b/.test(text) ? parse(text.replaceAll(/-?\b(?:NaN|Infinity)\b/g, 'null')) : undefined;
  }
}
