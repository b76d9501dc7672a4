import {
  GatewayError,
  LightningError,
  type LightningErrorCode,
  type LightningErrorOptions,
} from '@agent-lightning/core';

export interface WireErrorOptions extends LightningErrorOptions {
  /** @default by code */
  readonly status?: number;
  /** The request field that is at fault, as a path such as `messages[0].content`. */
  readonly param?: string;
  /** The `code` on the wire, where clients know another name. @default the error's code */
  readonly wireCode?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const statuses: Partial<Record<LightningErrorCode, number>> = {
  'request-invalid': 400,
  'context-exceeded': 400,
  'rows-invalid': 400,
  'option-unsupported': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
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
const wireCodes: Partial<Record<LightningErrorCode, string>> = {
  'context-exceeded': 'context_length_exceeded',
  unauthorized: 'invalid_api_key',
};

/** An error that knows how it looks on the OpenAI wire. */
export class WireError extends GatewayError {
  readonly status: number;
  readonly param: string | undefined;
  readonly wireCode: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(message: string, options: WireErrorOptions) {
    super(message, options);
    this.status = options.status ?? statuses[options.code] ?? 500;
    this.param = options.param;
    this.wireCode = options.wireCode ?? wireCodes[options.code] ?? options.code;
    this.headers = options.headers ?? {};
  }

  /** The body as OpenAI sends it. */
  toWire(): {
    readonly error: {
      readonly message: string;
      readonly type: string;
      readonly param: string | null;
      readonly code: string;
    };
  } {
    return {
      error: { message: this.message, type: errorType(this.status), param: this.param ?? null, code: this.wireCode },
    };
  }
}

function errorType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** A 400 that names the field. */
export function invalidField(param: string, problem: string): WireError {
  return new WireError(`\`${param}\` ${problem}`, { code: 'request-invalid', param });
}

/** Any failure as the agent may see it; what is not ours is not shown in detail. */
export function toWireError(error: unknown): WireError {
  if (error instanceof WireError) return error;
  if (LightningError.isInstance(error))
    return new WireError(error.message, { code: error.code, retryable: error.retryable, cause: error });
  return new WireError('the gateway failed; its operator can read why in the call’s span', {
    code: 'upstream-failed',
    status: 500,
    wireCode: 'internal_error',
    cause: error,
  });
}
