import type { IncomingHttpHeaders } from 'node:http';
import type { Role } from '../keys/caller.ts';
import type { Exchange } from './exchange.ts';
import type { RequestError } from './request-error.ts';

/** Says what is known of a request before its key is looked at. */
export interface RequestLine {
  readonly method: string;
  /** The path without the query, as it came: percent-encoded. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
}

/** Answers requests of one kind. */
export interface Route {
  /**
   * The roles that may ask; `admin` always may. `everyone` asks for no key: the route checks for itself who asks, or tells nothing
   * that needs a key.
   */
  readonly roles: readonly Role[] | 'everyone';
  /** Answers; what it throws becomes the answer of an error. */
  answer(exchange: Exchange): Promise<void> | void;
  /** Returns the JSON body of an error, where clients of this route expect another shape. @default `{ error: { type, code, message, retryable } }` */
  errorBody?(error: RequestError): unknown;
  /** Answers with an error itself, where clients of this route expect something else than JSON. @default as `errorBody` says */
  replyError?(exchange: Exchange, error: RequestError): void;
}

/** Returns the route for a request, or undefined where this set has none. @throws {RequestError} as for a method that a path does not take */
export type RouteSet = (line: RequestLine) => Route | undefined;
