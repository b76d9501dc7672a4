import { setTimeout as delay } from 'node:timers/promises';
import { StoreError } from '@agent-lightning/core';
import type { HttpConnection, HttpReply, HttpRequest } from './http-connection.ts';
import { decodeError, type ErrorJson } from './wire.ts';

/** Has every answer of a server; another value means that the server was started again. */
export const instanceHeader = 'x-agent-lightning-instance';

/** The time for which a server that never answered is tried: it may just be starting, or its address may be wrong. */
const firstContactMs = 5_000;
const shortestWaitMs = 25;
const longestWaitMs = 1_000;

/** Says how a request is tried again. */
export interface Retry {
  readonly body: string;
  /** True for what is not given up when the server stays away. @default false */
  readonly isPatient?: boolean;
  /** True for what is not tried again. @default false */
  readonly isOver?: boolean;
}

/** Sends requests to a server until one is answered; a server that is away is waited for, for a time. */
export class Delivery {
  readonly #connection: HttpConnection;
  readonly #outageMs: number;
  #hasAnswered: boolean = false;
  /** The instance that answered last. */
  instance: string | undefined;

  constructor(connection: HttpConnection, outageMs: number) {
    this.#connection = connection;
    this.#outageMs = outageMs;
  }

  /**
   * Sends a request again and again until the server has answered it.
   * @param onRetry is called before each further try, with the error once `outageMs` is over: it may change the body, and say that the
   *   request waits for as long as it takes
   * @throws StoreError `store-unavailable`, retryable, after `outageMs` without an answer · what the server says of the request as a whole
   */
  async send(
    request: HttpRequest,
    onRetry: (late: StoreError | undefined) => Retry = () => ({ body: request.body }),
  ): Promise<unknown> {
    const startedMs = performance.now();
    let { body } = request;
    for (let waitMs = shortestWaitMs; ; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
      try {
        return this.#take(await this.#connection.post({ ...request, body }));
      } catch (error) {
        const limitMs = this.#hasAnswered ? this.#outageMs : Math.min(firstContactMs, this.#outageMs);
        const isAway = error instanceof StoreError && error.retryable;
        if (!isAway || request.signal?.aborted === true) throw error;
        const isLate = performance.now() - startedMs + waitMs > limitMs;
        const retry = onRetry(isLate ? error : undefined);
        body = retry.body;
        if ((isLate && retry.isPatient !== true) || retry.isOver === true) throw error;
      }
      await delay(waitMs);
    }
  }

  #take({ status, headers, body }: HttpReply): unknown {
    const instance = headers[instanceHeader];
    if (typeof instance !== 'string') throw notOurs(status);
    this.#hasAnswered = true;
    this.instance = instance;
    const value = parse(body, status);
    if (status < 300) return value;
    throw decodeError((value as { readonly error: ErrorJson }).error);
  }
}

function parse(body: string, status: number): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    throw new StoreError(`the server answered ${status} with what is no JSON`, { code: 'store-unavailable', cause });
  }
}

/** Returns the error for an answer that is not of our server: a proxy between says that it is away, or the address is wrong. */
function notOurs(status: number): StoreError {
  const isAway = status >= 500 || status === 429;
  return new StoreError(
    isAway
      ? `what stands before the server answers ${status}: the server is away`
      : `what answers at this address (status ${status}) is no server of agent-lightning serve; check the url`,
    { code: 'store-unavailable', retryable: isAway },
  );
}
