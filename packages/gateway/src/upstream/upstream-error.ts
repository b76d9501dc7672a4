import { WireError } from '../http/wire-error.ts';
import { isRetryableStatus } from './retry.ts';
import { shownUrl, type HttpReply } from './http-exchange.ts';

interface UpstreamComplaint {
  readonly message: string | undefined;
  readonly param: string | undefined;
  readonly code: string | undefined;
}

/** What an upstream says in its error body; vLLM and OpenAI nest it, older servers do not. */
function complaintOf(body: string): UpstreamComplaint {
  try {
    const parsed = JSON.parse(body) as { error?: unknown };
    const error = (typeof parsed.error === 'object' && parsed.error !== null ? parsed.error : parsed) as Record<
      string,
      unknown
    >;
    const text = (value: unknown): string | undefined =>
      typeof value === 'string' ? value.slice(0, 2_000) : undefined;
    const name = text(error['code']);
    return {
      message: text(error['message']) ?? text(parsed.error),
      param: text(error['param']),
      // A name that clients can compare and metrics can count by, not a text.
      code: name !== undefined && /^[\w.-]{1,64}$/u.test(name) ? name : undefined,
    };
  } catch {
    return { message: undefined, param: undefined, code: undefined };
  }
}

/** Some servers repeat the key that they refuse. */
function withoutKey(text: string, apiKey: string | undefined): string {
  return apiKey === undefined || apiKey === '' ? text : text.replaceAll(apiKey, '[key]');
}

/** An upstream's error status, as the agent gets it: its mistakes keep their status, the gateway's own key and address do not. */
export function statusError(
  reply: HttpReply,
  body: Buffer,
  { url, apiKey }: { readonly url: URL; readonly apiKey: string | undefined },
): WireError {
  const status = reply.statusCode;
  const { message, param, code } = complaintOf(withoutKey(body.toString('utf8'), apiKey));
  const said = message === undefined ? '' : `: ${message}`;
  if (status >= 300 && status < 400) {
    return new WireError(
      `the upstream ${shownUrl(url)} redirects, which is not followed; configure its final address`,
      { code: 'upstream-rejected' },
    );
  }
  if (status === 401 || status === 403 || status === 404 || status === 405) {
    return new WireError(
      `the upstream ${shownUrl(url)} refused the gateway with status ${status}${said}; check its address, model and key`,
      { code: 'upstream-rejected' },
    );
  }
  const retryAfter = reply.header('retry-after');
  const isFailure = status >= 500 || status < 200;
  return new WireError(`the upstream ${isFailure ? 'failed' : 'refused the call'} with status ${status}${said}`, {
    code: isFailure ? 'upstream-failed' : 'upstream-rejected',
    status: isFailure ? 502 : status,
    retryable: isRetryableStatus(status),
    ...(param === undefined ? {} : { param }),
    ...(code === undefined ? {} : { wireCode: code }),
    ...(retryAfter === undefined ? {} : { headers: { 'retry-after': retryAfter } }),
  });
}
