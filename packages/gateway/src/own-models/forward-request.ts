import type { IncomingMessage, ServerResponse } from 'node:http';
import { LightningError } from '@agent-lightning/core';
import { abortWhenLate, agentLeft, outcomeOf, type CallOutcome } from '../calls/answer-call.ts';
import type { CallLimits } from '../calls/call-limits.ts';
import { toReplyError, type ReplyError } from '../http/reply-error.ts';
import { ReplyWriter } from '../http/reply-writer.ts';
import { ReplyDraft } from '../reply/model-reply.ts';
import { withoutKey } from '../reply-reader/hide-key.ts';
import { exchange, readBody, readWhole, type HttpReply } from '../upstream/http-exchange.ts';
import { statusError } from '../upstream/upstream-error.ts';
import { ownFormats } from './own-formats.ts';
import { replyHeaders, requestHeaders } from './own-headers.ts';
import { OwnReply } from './own-reply.ts';
import type { OwnRoute } from './own-routes.ts';

/** A request on its way to the server that the agent asks by itself. */
export interface ForwardedRequest {
  readonly way: OwnRoute;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly body?: Buffer;
  readonly choices: number;
  readonly limits: CallLimits;
  /** Ends the request from outside, such as when its attempt ends. */
  readonly controller: AbortController;
  /** Called with the size of each piece of the reply; what it throws ends the request. */
  readonly onReplyBytes: (bytes: number) => void;
}

/** The most bytes of an error's body. */
const longestError = 1_048_576;

/**
 * Sends a request on, and its reply back as it comes, byte for byte: status, headers and body. An error of the server reaches the agent as the server
 * has it, for the agent's own client to deal with. Never rejects.
 */
export async function forwardRequest(forwarded: ForwardedRequest): Promise<CallOutcome> {
  const { response, controller, limits, way } = forwarded;
  const startedAtMs = performance.now();
  const draft = new ReplyDraft(forwarded.choices);
  const onClose = (): void => {
    if (!response.writableFinished) controller.abort(agentLeft());
  };
  response.on('close', onClose);
  if (response.destroyed) onClose();
  const timer = abortWhenLate(controller, limits);
  let error: ReplyError | undefined;
  try {
    error = await send(forwarded, draft);
    if (!(await new ReplyWriter(response).delivered())) error ??= agentLeft();
  } catch (caught) {
    error = toReplyError(withoutKey(caught, way.server.apiKey));
    fail(forwarded, error);
  } finally {
    clearTimeout(timer);
    response.off('close', onClose);
  }
  return {
    ...outcomeOf(draft, error, startedAtMs),
    retries: 0,
    upstream: way.url,
  };
}

/** Returns the error that the server answered with, if it did. */
async function send(forwarded: ForwardedRequest, draft: ReplyDraft): Promise<ReplyError | undefined> {
  const { way, request, response, body, limits, controller, onReplyBytes: onBytes } = forwarded;
  const { url, method, server } = way;
  const { signal } = controller;
  const headers = requestHeaders(request.headers, server);
  const { apiKey } = server;
  const reply = await exchange({ url, method, headers, apiKey, signal, accept: '', ...(body && { body }) });
  if (reply.statusCode >= 400) return await sendError(forwarded, reply);
  response.writeHead(reply.statusCode, replyHeaders(reply, server));
  const seen = way.call && new OwnReply(reply, ownFormats[way.call.dialect.name], draft);
  await readBody(reply, { url, limitBytes: limits.maxReplyBytes, signal, onBytes }, (pieces, isLast) => {
    let hasRoom = true;
    for (const piece of pieces) hasRoom = response.write(piece);
    seen?.read(pieces);
    if (draft.firstTokenAtMs !== undefined) reply.watchSilence(url, limits.stallTimeoutMs);
    return hasRoom || isLast ? undefined : drained(response);
  });
  seen?.end();
  response.end();
  return undefined;
}

async function sendError(
  { way, response, limits, controller }: ForwardedRequest,
  reply: HttpReply,
): Promise<ReplyError> {
  const { url, server } = way;
  const { apiKey } = server;
  const { stallTimeoutMs } = limits;
  const bytes = await readWhole(reply, { url, limitBytes: longestError, signal: controller.signal, stallTimeoutMs });
  const text = bytes.toString();
  const clean = LightningError.hideKey(text, apiKey);
  const said = clean === text ? bytes : Buffer.from(clean);
  const { 'content-length': _, ...headers } = replyHeaders(reply, server);
  response.writeHead(reply.statusCode, { ...headers, 'content-length': String(said.length) }).end(said);
  return statusError(reply, bytes, { url, apiKey, watchedModel: undefined });
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const settle = (): void => {
      response.off('drain', settle).off('close', settle);
      resolve();
    };
    response.on('drain', settle).on('close', settle);
  });
}

/** Tells the agent of a failure in its dialect; a reply that has begun breaks off, so that it does not look complete. */
function fail({ way, response }: ForwardedRequest, error: ReplyError): void {
  if (response.headersSent) response.destroy();
  else new ReplyWriter(response).failWith(error, way.call?.dialect.errorBody(error) ?? error.toBody(), '');
}
