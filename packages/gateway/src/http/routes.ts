import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JsonObject } from './read-body.ts';
import { ReplyWriter } from './reply-writer.ts';
import { toReplyError, ReplyError } from './reply-error.ts';

/** Returns the path of a request, from the request line alone. @throws {ReplyError} `request-invalid` for an absolute URI */
export function pathOf(request: IncomingMessage): string {
  const target = request.url ?? '';
  if (!target.startsWith('/')) throw new ReplyError('the request line must name a path', { code: 'request-invalid' });
  const end = target.indexOf('?');
  return end < 0 ? target : target.slice(0, end);
}

/** Checks a request's method. @throws {ReplyError} 405 naming the method that the path takes */
export function expectMethod(request: IncomingMessage, method: 'GET' | 'POST' | 'DELETE'): void {
  if (request.method !== method)
    throw new ReplyError(`use ${method} here, not ${request.method}`, {
      code: 'not-found',
      status: 405,
      replyCode: 'method-not-allowed',
      headers: { allow: method },
    });
}

/** Returns the error for a path that is not served. @param served the paths that are, for people to read */
export function unknownPath(path: string, served: string): ReplyError {
  return new ReplyError(`nothing is served at ${path.slice(0, 200)}; there are ${served}`, { code: 'not-found' });
}

export function checkHost(request: IncomingMessage, isKnownHost: (host: string | undefined) => boolean): void {
  if (!isKnownHost(request.headers.host)) {
    throw new ReplyError(
      `this server is not known as "${(request.headers.host ?? '').slice(0, 200)}"; add that name to allowedHosts if it should be`,
      { code: 'request-invalid', status: 421, replyCode: 'misdirected-request' },
    );
  }
}

export interface RespondOptions {
  /** Returns the body of an error in the caller's dialect. @default as OpenAI does */
  readonly errorBody?: ((error: ReplyError) => JsonObject) | undefined;
  readonly onError?: (error: ReplyError) => void;
}

/** Runs a handler; the caller gets what it throws as an error reply. @returns resolves when the handler is over; never rejects */
export function respond(response: ServerResponse, work: Promise<void>, options: RespondOptions = {}): Promise<void> {
  response.on('error', () => response.destroy());
  return work.catch((caught: unknown) => {
    const error = toReplyError(caught);
    options.onError?.(error);
    new ReplyWriter(response).failWith(error, options.errorBody?.(error) ?? error.toBody(), '');
  });
}

/** Returns the reply to `GET /v1/models`. */
export function modelList(names: readonly string[]): unknown {
  return {
    object: 'list',
    data: names.map((id) => ({ id, object: 'model', created: 0, owned_by: 'agent-lightning' })),
  };
}

/** Decodes a percent-encoded part of a path; an invalid one is returned as it is, and names nothing. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
