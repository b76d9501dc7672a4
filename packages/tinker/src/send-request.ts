/** Sends requests again while that can help; a repetition carries the same idempotency key. */
import { BackendError, type LightningErrorCode } from '@agent-lightning/core';
import { retryAfterMs } from '@agent-lightning/platform';
import { exchange, type HttpOptions, type HttpReply, type HttpRequest } from './http-exchange.ts';
import type { RetryBudget } from './retry-budget.ts';
import { unreadable } from './decode-result.ts';
import { rejection, serverMessage } from './server-errors.ts';
import { isObject, type JsonObject } from './protocol.ts';

/** A proxy may answer a bare 400 by mistake; a server that means it gives a reason. */
const bareBadRequestTries = 3;

export interface SendOptions {
  readonly http: HttpOptions;
  readonly request: HttpRequest;
  readonly budget: RetryBudget;
  /** The code of an error for a body that the server finds invalid. */
  readonly invalid: LightningErrorCode;
  /** The code of an error for what the server does not have. */
  readonly missing: LightningErrorCode;
  /** True for a request that the server would apply twice: it is never sent again once it may have arrived. @default false */
  readonly once?: boolean;
  /** True to return a status of 500 as a rejection, since it may be due to the form of the request. @default it is tried again */
  readonly returns500?: boolean;
}

/** The answer to a request. A rejection is returned as data, since it tells that nothing happened; a thrown error does not. */
export type SendResult = { readonly ok: true; readonly body: JsonObject } | Rejection;

/** A request that the server rejected: nothing happened. */
export interface Rejection {
  readonly ok: false;
  readonly status: number;
  /** The answer's body, where it is JSON. */
  readonly body: unknown;
  /** The reason in it, without the key. */
  readonly said: string | undefined;
  readonly error: BackendError;
}

/**
 * Sends a request until it is answered or the budget is spent.
 * @throws {BackendError} `backend-failed` when no answer came for too long: it is not known whether the server did the work
 * @throws {TimeoutError} `timed-out` | `cancelled`: not known either
 */
export async function sendRepeatedly(options: SendOptions): Promise<SendResult> {
  const { http, request, budget, invalid, missing, once = false, returns500 = false } = options;
  let bareBadRequests = 0;
  for (;;) {
    const reply = await exchange(http, { ...request, timeoutMs: budget.remaining(request.timeoutMs) }, budget.signal);
    if (!reply.arrived) {
      if (once && !reply.unsent) throw mayHaveHappened(budget.what, reply.problem);
      await budget.pause(`no answer (${reply.timedOut ? 'timed out' : reply.problem})`);
      continue;
    }
    const { status, json, said } = reply;
    if (status >= 200 && status < 300) {
      if (reply.protobuf !== undefined) throw unreadable(budget.what, 'only results come as one');
      if (isObject(json)) return { ok: true, body: json };
      if (status === 204 || json === null) return { ok: true, body: {} };
      if (once) throw mayHaveHappened(budget.what, 'an answer that is no JSON object');
      await budget.pause('an answer that is no JSON object'); // cut off, or a page of a proxy
      continue;
    }
    const isBare = status === 400 && serverMessage(json) === undefined && bareBadRequests < bareBadRequestTries;
    if (isBare) bareBadRequests += 1;
    if (isBare || (isTransient(status) && !(returns500 && status === 500))) {
      if (once && status >= 500 && status !== 503) throw mayHaveHappened(budget.what, describe(reply));
      await budget.pause(describe(reply), retryAfterMs(reply.headers.get('retry-after')));
      continue;
    }
    return { ok: false, status, body: json, said, error: rejection(budget.what, reply, { invalid, missing }) };
  }
}

/** Tells whether a status may pass: too busy, too slow, too early, down for a moment, or paused until a bill is paid. */
export function isTransient(status: number): boolean {
  return [402, 408, 425, 429].includes(status) || status >= 500;
}

/** Returns an answer's status and reason. */
export function describe({ status, said }: HttpReply): string {
  return `status ${status}: ${said ?? 'no reason given'}`;
}

/** Returns the error for a request that must not be sent again, and may have taken effect. */
export function mayHaveHappened(what: string, problem: string): BackendError {
  return new BackendError(
    `It is not known whether ${what} took effect (${problem}), and this server would do it twice if it were sent again. Resume the run from its last checkpoint.`,
    { code: 'session-lost', retryable: true },
  );
}
