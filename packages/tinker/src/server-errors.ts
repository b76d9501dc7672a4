/** Translates a server's errors into this project's typed errors. */
import { BackendError, LightningError, type LightningErrorCode } from '@agent-lightning/core';
import type { HttpReply } from './http-exchange.ts';
import { isObject } from './protocol.ts';

/** Codes that a server may send beside its message and that mean the same here. */
const sharedCodes: readonly string[] = [
  'numerics',
  'context-exceeded',
  'samples-invalid',
  'loss-unsupported',
  'checkpoint-corrupt',
  'option-invalid',
  'option-unsupported',
] satisfies LightningErrorCode[];

/** An answer that says what went wrong. */
type BadReply = Pick<HttpReply, 'status' | 'json' | 'said'>;

/**
 * Reads the reason that a server gives: `{"error"}` (Tinker), `{"detail"}` (SkyRL: a text, or FastAPI's list of fields).
 * @param apiKey hidden in it. @default the reason as it is, to compare and not to show
 */
export function serverMessage(body: unknown, apiKey?: string): string | undefined {
  if (!isObject(body)) return undefined;
  const { error, detail, message } = body;
  const found = error ?? detail ?? message;
  if (found === undefined) return undefined;
  const text = LightningError.hideKey(typeof found === 'string' ? found : JSON.stringify(found), apiKey);
  return text.length > 2_000 ? `${text.slice(0, 2_000)}…` : text;
}

/** Tells whether an answer is that of a web framework which has no such route, not of a server that lacks a model or a session. */
export function isMissingRoute(status: number, body: unknown): boolean {
  const words = { 404: 'Not Found', 405: 'Method Not Allowed' }[status];
  return words !== undefined && serverMessage(body) === words;
}

/** Returns an error with the server's own reason, and its code or the given one. */
export function serverError(
  what: string,
  { status, json, said }: BadReply,
  fallback: LightningErrorCode,
): BackendError {
  const { code, category } = isObject(json) ? json : {};
  const shared = typeof code === 'string' && sharedCodes.includes(code) ? (code as LightningErrorCode) : undefined;
  return new BackendError(
    `The training server ${status === 200 ? 'failed' : `answered ${status} to`} ${what}: ${said ?? 'no reason given'}`,
    { code: shared ?? fallback, retryable: category === 'server' && shared === undefined },
  );
}

/** Returns the error of a request that the server rejected: it changed nothing, and its sequence id is still free. */
export function rejection(
  what: string,
  reply: BadReply,
  codes: { readonly invalid: LightningErrorCode; readonly missing: LightningErrorCode },
): BackendError {
  const { status, json, said } = reply;
  if (status === 401 || status === 403) {
    return new BackendError(
      `The training server refused the API key (${status}) for ${what}; give the right one as apiKey.`,
      { code: 'unauthorized' },
    );
  }
  if (isMissingRoute(status, json) && codes.missing !== 'not-found') {
    return new BackendError(
      `The training server has no route for ${what} (${status}: ${said}): it is no Tinker-style server, or speaks another version of the Tinker protocol. docs/gpu.md lists the versions that work.`,
      { code: 'backend-failed' },
    );
  }
  if (status === 404 && codes.missing === 'session-lost') {
    return new BackendError(
      `The training server does not know what ${what} is about (404: ${said ?? 'no reason given'}). It was restarted, or it gave up the session; resume the run from its last checkpoint.`,
      { code: 'session-lost', retryable: true },
    );
  }
  if (status === 404) return serverError(what, reply, codes.missing);
  if (status === 400 || status === 413 || status === 422) return serverError(what, reply, codes.invalid);
  return serverError(what, reply, 'backend-failed');
}
