import { LightningError, StoreError, type LightningErrorCode } from '@agent-lightning/core';

type LightningErrorOptions = ConstructorParameters<typeof LightningError>[1];

/** Says what a refusal answers. */
export interface RequestErrorOptions extends LightningErrorOptions {
  /** The HTTP status. @default by code */
  readonly status?: number;
  /** Further headers of the answer. @default none */
  readonly headers?: Readonly<Record<string, string>>;
  /** What is wrong with each field, for protocols that say it so. */
  readonly detail?: unknown;
}

const statuses: Readonly<Partial<Record<LightningErrorCode, number>>> = {
  'request-invalid': 400,
  'store-invalid': 400,
  'option-invalid': 400,
  'span-invalid': 400,
  'tokens-invalid': 400,
  'reward-invalid': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'store-not-found': 404,
  'attempt-unknown': 404,
  // Not 408, at which some clients and proxies send the request again by themselves.
  'timed-out': 504,
  'store-conflict': 409,
  'store-fenced': 409,
  'request-too-large': 413,
  paused: 429,
  cancelled: 499,
  'store-unavailable': 503,
  'store-closed': 503,
  'store-full': 507,
};

/** A request that the server refuses or could not serve, with the status of its answer. */
export class RequestError extends StoreError {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly detail: unknown;

  constructor(message: string, options: RequestErrorOptions) {
    super(message, options);
    this.status = options.status ?? statuses[options.code] ?? 500;
    this.headers = options.headers ?? {};
    this.detail = options.detail;
  }
}

/** Returns the HTTP status of an error: that of its code, or 500 where the error is not one of this project. */
export function statusOf(error: unknown): number {
  if (error instanceof RequestError) return error.status;
  return LightningError.isInstance(error) ? (statuses[error.code] ?? 500) : 500;
}
