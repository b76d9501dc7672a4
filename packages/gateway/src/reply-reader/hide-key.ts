import { LightningError } from '@agent-lightning/core';
import { ReplyError } from '../http/reply-error.ts';

const { hideKey } = LightningError;

/** Returns what an upstream said, for an agent to read: without the key, and no longer than `longest` characters. */
export function quoteUpstream(value: unknown, apiKey: string | undefined, longest = 2_000): string | undefined {
  // The key goes first, or a cut could leave a part of it.
  return typeof value === 'string' ? hideKey(value, apiKey).slice(0, longest) : undefined;
}

/** Returns an error of an upstream without its key, whichever part of it the upstream wrote. Errors of other kinds are returned as they are. */
export function withoutKey(error: unknown, apiKey: string | undefined): unknown {
  if (!(error instanceof ReplyError) || apiKey === undefined || apiKey === '') return error;
  const { message, param, replyCode, headers } = error;
  const said = JSON.stringify([message, param, replyCode, headers]);
  if (hideKey(said, apiKey) === said) return error;
  const clean = new ReplyError(hideKey(message, apiKey), {
    code: error.code,
    status: error.status,
    retryable: error.retryable,
    replyCode: hideKey(replyCode, apiKey),
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, hideKey(value, apiKey)])),
    ...(param === undefined ? {} : { param: hideKey(param, apiKey) }),
  });
  return clean;
}
