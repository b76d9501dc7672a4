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
      // Not 421, after which `fetch` sends a request with a body again and then fails in a way that says nothing.
      { code: 'forbidden', replyCode: 'misdirected-request' },
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

/** Returns a model as the clients of OpenAI and of Anthropic read it. */
function modelEntry(id: string): JsonObject {
  const forOpenAi = { id, object: 'model', created: 0, owned_by: 'agent-lightning' };
  return { ...forOpenAi, type: 'model', display_name: id, created_at: '1970-01-01T00:00:00Z' };
}

/** Returns the reply to `GET /v1/models`, as the clients of OpenAI and of Anthropic read it. */
function modelList(names: readonly string[]): JsonObject {
  const forAnthropic = { has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null };
  return { object: 'list', data: names.map(modelEntry), ...forAnthropic };
}

/** The names of models that a caller may ask for. */
export interface ListedModels {
  readonly names: readonly string[];
  /** Tells whether a name is answered, also where only a pattern has it. */
  has(name: string): boolean;
}

/**
 * Answers `GET /v1/models` and `GET /v1/models/{name}`.
 * @returns undefined for any other path
 * @throws {ReplyError} `not-found` for a model that there is not
 */
export function answerModels(path: string, request: IncomingMessage, models: ListedModels): unknown {
  if (path !== '/models' && !path.startsWith('/models/')) return undefined;
  expectMethod(request, 'GET');
  if (path === '/models') return modelList(models.names);
  const name = decodeSegment(path.slice('/models/'.length)); // a name may have slashes, encoded or not
  if (models.has(name)) return modelEntry(name);
  throw new ReplyError(`the model "${name.slice(0, 100)}" does not exist`, {
    code: 'not-found',
    replyCode: 'model_not_found',
  });
}

/** Decodes a percent-encoded part of a path; an invalid one is returned as it is, and names nothing. */
export function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
