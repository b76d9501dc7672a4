/** Waits for the result of an operation that the server has accepted, by long polls. */
import { LightningError, type BackendError, type LightningErrorCode } from '@agent-lightning/core';
import { retryAfterMs } from '@agent-lightning/platform';
import { exchange, protobufType, type HttpOptions, type HttpReply } from './http-exchange.ts';
import type { RetryBudget } from './retry-budget.ts';
import { unreadable, type DecodeResult } from './decode-result.ts';
import { describe, isTransient } from './send-request.ts';
import { rejection, serverError, serverMessage } from './server-errors.ts';
import { isObject, type JsonObject } from './protocol.ts';

export interface FutureOptions {
  readonly http: HttpOptions;
  readonly requestId: string;
  readonly budget: RetryBudget;
  readonly invalid: LightningErrorCode;
  /** One long poll; a server that holds it longer is asked again. */
  readonly pollMs: number;
  /** Reads a result that comes as a protobuf message. @default such a result is an error */
  readonly decode?: DecodeResult | undefined;
  /** Called when the server says why an operation waits, such as `paused_capacity`; once for each reason. */
  readonly onQueueState: (state: string) => void;
}

export type FutureResult =
  | { readonly kind: 'result'; readonly body: JsonObject }
  | { readonly kind: 'failed'; readonly error: BackendError }
  /** The server no longer knows the operation's future; the same submission gives it again, and never applies it twice. */
  | { readonly kind: 'forgotten' };

/** A proxy may answer a bare 400 by mistake. */
const bareBadRequestTries = 3;
/** The shortest wait between two polls, for servers that answer at once that the result is not ready. */
const shortestPollGapMs = 50;

/**
 * Polls until the operation has ended. An error that is thrown leaves open what became of the operation.
 * @throws {BackendError} `backend-failed`
 * @throws {TimeoutError} `timed-out` | `cancelled`
 */
export async function awaitFuture(options: FutureOptions): Promise<FutureResult> {
  const { http, requestId, budget, invalid, pollMs, decode } = options;
  let bareBadRequests = 0;
  let lastState = 'active';
  let gapMs = shortestPollGapMs;
  for (;;) {
    const timeoutMs = budget.remaining(pollMs);
    const reply = await exchange(
      http,
      {
        method: 'POST',
        path: '/api/v1/retrieve_future',
        body: { request_id: requestId },
        timeoutMs,
        // Newer servers send such a result as protobuf whatever is accepted, older ones as JSON.
        ...(decode === undefined ? {} : { headers: { accept: `${protobufType}, application/json` } }),
      },
      budget.signal,
    );
    if (!reply.arrived) {
      if (!reply.timedOut) await budget.pause(`no answer (${reply.problem})`);
      continue;
    }
    const { status, json, protobuf } = reply;
    if (status === 200 && protobuf !== undefined) {
      if (decode === undefined) throw unreadable(budget.what, 'its result is expected as JSON');
      return { kind: 'result', body: decode(protobuf, budget.what) };
    }
    if (status === 408 || (status === 200 && isObject(json) && json['type'] === 'try_again')) {
      budget.progressed();
      const state = isObject(json) ? String(json['queue_state'] ?? 'active') : 'active';
      if (state !== lastState && state !== 'active') {
        const reason = isObject(json) ? json['queue_state_reason'] : undefined;
        const told = typeof reason === 'string' ? `${state}: ${reason}` : state;
        options.onQueueState(LightningError.hideKey(told, http.apiKey));
      }
      lastState = state;
      await budget.sleep(gapMs);
      gapMs = Math.min(gapMs * 2, 1_000);
      continue;
    }
    if (status === 410 || status === 404) return { kind: 'forgotten' };
    if (status === 200 && isObject(json)) return resultOf(json, reply, budget.what, invalid);
    const isBare = status === 400 && serverMessage(json) === undefined && bareBadRequests < bareBadRequestTries;
    if (isBare) bareBadRequests += 1;
    if (isBare || status === 200 || isTransient(status)) {
      await budget.pause(
        status === 200 ? 'an answer that is no JSON object' : describe(reply),
        retryAfterMs(reply.headers.get('retry-after')),
      );
      continue;
    }
    // SkyRL says with a 400 that the operation failed; the others use the body of a 200.
    return { kind: 'failed', error: rejection(budget.what, reply, { invalid, missing: invalid }) };
  }
}

function resultOf(body: JsonObject, reply: HttpReply, what: string, invalid: LightningErrorCode): FutureResult {
  if (!('error' in body)) return { kind: 'result', body };
  return { kind: 'failed', error: serverError(what, reply, body['category'] === 'user' ? invalid : 'backend-failed') };
}
