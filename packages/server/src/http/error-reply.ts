import { LightningError } from '@agent-lightning/core';
import type { Exchange } from './exchange.ts';
import { RequestError, statusOf } from './request-error.ts';
import type { Route } from './route.ts';

/** Returns any failure as a client may see it; details of errors that are not of this project stay in the log. */
export function toRequestError(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  if (!LightningError.isInstance(error))
    return new RequestError('the server failed; its log says why', {
      code: 'store-unavailable',
      status: 500,
      cause: error,
    });
  const { message, code, retryable } = error;
  return new RequestError(message, { code, retryable, status: statusOf(error), cause: error });
}

/** Returns an error as JSON: its class, code, message, and whether the same request may succeed later. */
export function errorToJson(error: unknown): Readonly<Record<string, unknown>> {
  const shown = LightningError.isInstance(error) && !(error instanceof RequestError) ? error : toRequestError(error);
  const type = shown instanceof RequestError && LightningError.isInstance(shown.cause) ? shown.cause.name : shown.name;
  const { code, message, retryable } = shown;
  return { type: type === 'RequestError' ? 'StoreError' : type, code, message, retryable };
}

/** Answers with an error, in the shape of the route where it has its own. */
export function replyError(exchange: Exchange, error: RequestError, route: Route | undefined): void {
  const { response, request } = exchange;
  if (response.headersSent || response.destroyed) return void response.destroy();
  if (route?.replyError !== undefined) route.replyError(exchange, error);
  else exchange.json(route?.errorBody?.(error) ?? { error: errorToJson(error) }, error.status, error.headers);
  // What still comes of the body is read and dropped, or the client would see a reset before the answer.
  if (!request.complete) request.resume();
}
