import { LightningError } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';

const { hideKey } = LightningError;

/** Returns what an upstream said, for an agent to read: without the key, and no longer than `longest` characters. */
export function quoteUpstream(value: unknown, apiKey: string | undefined, longest = 2_000): string | undefined {
  // The key goes first, or a cut could leave a part of it.
  return typeof value === 'string' ? hideKey(value, apiKey).slice(0, longest) : undefined;
}

/** Headers that programs read, in which no server repeats a key. */
const ofProtocol: ReadonlySet<string> = new Set(['content-type', 'content-encoding', 'content-length', 'retry-after']);

/** Returns the value of a header that an upstream wrote, without the key. What programs read stays as it is: a short key may be a part of `text/event-stream`. */
export function hideInHeader(name: string, value: string, apiKey: string | undefined): string {
  return ofProtocol.has(name.toLowerCase()) ? value : hideKey(value, apiKey);
}

/** Returns an error of an upstream without its key, whichever part of it the upstream wrote. Errors of other kinds are returned as they are. */
export function withoutKey(error: unknown, apiKey: string | undefined): unknown {
  if (!(error instanceof ReplyError) || apiKey === undefined || apiKey === '') return error;
  const { message, param, replyCode, headers } = error;
  const said = JSON.stringify([message, param, replyCode, headers]);
  if (hideKey(said, apiKey) === said) return error;
  return new ReplyError(hideKey(message, apiKey), {
    code: error.code,
    status: error.status,
    retryable: error.retryable,
    replyCode: hideKey(replyCode, apiKey),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, hideInHeader(name, value, apiKey)]),
    ),
    ...(param === undefined ? {} : { param: hideKey(param, apiKey) }),
  });
}
