import type { JsonObject } from '../../http/read-body.ts';
import type { ReplyError } from '../../http/reply-error.ts';

const types: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  503: 'overloaded_error',
  504: 'timeout_error',
};

/** This error detail makes clients that ask the server to keep a conversation send the whole conversation instead. */
const noThreads: JsonObject = { error_code: 'thread_unsupported_request', unsupported: ['thread'] };

/** Returns an error as Anthropic's API sends it, with the gateway's own code and field beside. */
export function messageError(error: ReplyError): JsonObject {
  const type = types[error.status] ?? (error.status < 500 ? 'invalid_request_error' : 'api_error');
  const details = error.param === 'thread' ? { details: noThreads } : {};
  return {
    type: 'error',
    error: { type, message: error.message, code: error.replyCode, param: error.param ?? null, ...details },
  };
}
