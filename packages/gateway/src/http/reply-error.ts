import { GatewayError, LightningError, type LightningErrorCode } from '@agent-lightning/core';

type LightningErrorOptions = ConstructorParameters<typeof LightningError>[1];

export interface ReplyErrorOptions extends LightningErrorOptions {
  /** The HTTP status. @default by code */
  readonly status?: number;
  /** The request field that is at fault, as a path such as `messages[0].content`. */
  readonly param?: string;
  /** The `code` in the reply, where clients know another name. @default the error's code */
  readonly replyCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const statuses: Partial<Record<LightningErrorCode, number>> = {
  'request-invalid': 400,
  'context-exceeded': 400,
  'samples-invalid': 400,
  'option-unsupported': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'attempt-unknown': 404,
  'store-not-found': 404,
  'store-fenced': 409,
  'store-unavailable': 503,
  'store-closed': 503,
  'store-full': 507,
  'request-too-large': 413,
  paused: 429,
  cancelled: 499,
  'upstream-rejected': 502,
  'upstream-failed': 502,
  'upstream-malformed': 502,
  'upstream-timeout': 504,
  'backend-closed': 503,
};

/** Error codes that clients of the OpenAI API look for. */
const replyCodes: Partial<Record<LightningErrorCode, string>> = {
  'context-exceeded': 'context_length_exceeded',
  unauthorized: 'invalid_api_key',
};

/** An error with the status and body that a client of OpenAI gets. */
export class ReplyError extends GatewayError {
  readonly status: number;
  readonly param: string | undefined;
  readonly replyCode: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(message: string, options: ReplyErrorOptions) {
    super(message, options);
    this.status = options.status ?? statuses[options.code] ?? 500;
    this.param = options.param;
    this.replyCode = options.replyCode ?? replyCodes[options.code] ?? options.code;
    this.headers = options.headers ?? {};
  }

  /** Returns the body as OpenAI sends it. */
  toBody(): {
    readonly error: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string;
    };
  } {
    return {
      error: { message: this.message, type: errorType(this.status), param: this.param ?? null, code: this.replyCode },
    };
  }
}

function errorType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** Returns a 400 that names the field. */
export function invalidField(param: string, problem: string): ReplyError {
  return new ReplyError(`\`${param}\` ${problem}`, { code: 'request-invalid', param });
}

/** Returns any failure as the agent may see it; details of errors that are not the gateway's own are not shown. */
export function toReplyError(error: unknown): ReplyError {
  if (error instanceof ReplyError) return error;
  if (LightningError.isInstance(error))
    return new ReplyError(error.message, { code: error.code, retryable: error.retryable, cause: error });
  return new ReplyError('the gateway failed; its operator can read why in the call’s span', {
    code: 'upstream-failed',
    status: 500,
    replyCode: 'internal_error',
    cause: error,
  });
}
