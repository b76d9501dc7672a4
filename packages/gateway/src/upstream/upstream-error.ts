import type { LightningErrorCode } from '@agent-lightning/core';
import { retryAfterMs } from '@agent-lightning/platform';
import { ReplyError } from '../http/reply-error.ts';
import { quoteUpstream } from '../reply-reader/hide-key.ts';
import { isRetryableStatus } from './retry.ts';
import { shownUrl } from '../http/shown-url.ts';
import type { HttpReply } from './http-exchange.ts';

interface UpstreamComplaint {
  readonly message: string | undefined;
  readonly param: string | undefined;
  readonly code: string | undefined;
}

/** Reads the complaint in an upstream's error body; vLLM and OpenAI nest it, older servers do not. */
function complaintOf(body: string, apiKey: string | undefined): UpstreamComplaint {
  try {
    const parsed = JSON.parse(body) as { error?: unknown };
    const error = (typeof parsed.error === 'object' && parsed.error !== null ? parsed.error : parsed) as Record<
      string,
      unknown
    >;
    const text = (value: unknown): string | undefined => quoteUpstream(value, apiKey);
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

/** Tells whether a server that is watched does not know the model that was loaded into it: it restarted, and loads it again. */
function isMissingModel(status: number, message: string | undefined, model: string | undefined): boolean {
  return status === 404 && model !== undefined && message?.includes(model) === true;
}

/** The server that gave an error status. */
export interface AskedServer {
  readonly url: URL;
  readonly apiKey: string | undefined;
  /** The model's name there, when somebody loads it again after a restart; undefined otherwise. */
  readonly watchedModel: string | undefined;
}

/** Returns an upstream's error status as the agent gets it: the agent's mistakes keep their status, the gateway's own key and address do not. */
export function statusError(
  reply: HttpReply,
  body: Buffer,
  { url, apiKey, watchedModel: model }: AskedServer,
): ReplyError {
  const status = reply.statusCode;
  const { message, param, code } = complaintOf(body.toString('utf8'), apiKey);
  const said = message === undefined ? '' : `: ${message}`;
  if (status < 300) {
    // Only a 200 is a reply: a 202 promises one, a 206 is a part of one, a 204 is none.
    return new ReplyError(
      `the upstream ${shownUrl(url)} answered with status ${status}, where a reply has 200${said}`,
      {
        code: 'upstream-malformed',
        replyCode: 'upstream-status',
      },
    );
  }
  if (status < 400) {
    return new ReplyError(
      `the upstream ${shownUrl(url)} redirects, which is not followed; configure its final address`,
      { code: 'upstream-rejected' },
    );
  }
  if (isMissingModel(status, message, model)) {
    return new ReplyError(`the upstream ${shownUrl(url)} has lost its model${said}`, {
      code: 'upstream-failed',
      retryable: true,
    });
  }
  if (status === 401 || status === 403 || status === 404 || status === 405 || status === 407) {
    return new ReplyError(
      `the upstream ${shownUrl(url)} refused the gateway with status ${status}${said}; check its address, model and key`,
      { code: 'upstream-rejected' },
    );
  }
  const waitMs = retryAfterMs(reply.header('retry-after'));
  const isFailure = status >= 500;
  return new ReplyError(`the upstream ${isFailure ? 'failed' : 'refused the call'} with status ${status}${said}`, {
    code: isFailure ? 'upstream-failed' : 'upstream-rejected',
    status: isFailure ? 502 : status,
    retryable: isRetryableStatus(status),
    ...(param === undefined ? {} : { param }),
    ...(code === undefined ? {} : { replyCode: code }),
    ...(waitMs === undefined ? {} : { headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) } }),
  });
}

/** The codes of failures that are not the agent's: the server or engine did not answer, or broke while it did. */
const outageCodes: ReadonlySet<LightningErrorCode> = new Set(['backend-failed', 'session-lost']);

/** Tells whether an error says that a server is not well, rather than that it is busy or the request is wrong. */
export function isServerFault(error: unknown): boolean {
  return error instanceof ReplyError && (error.code === 'upstream-failed' || error.code === 'upstream-timeout');
}

/** Tells whether a call failed because the server or engine that samples was away or broke. */
export function isOutage(error: ReplyError | undefined): boolean {
  return error !== undefined && (isServerFault(error) || outageCodes.has(error.code));
}
