/** Keeps a session with a Tinker-style server, and sends operations on it. */
import { randomUUID } from 'node:crypto';
import { BackendError, LightningError, type LightningErrorCode, type Logger } from '@agent-lightning/core';
import type { Clock } from '@agent-lightning/platform';
import { awaitFuture } from './await-future.ts';
import type { DecodeResult } from './decode-result.ts';
import type { HttpOptions, HttpRequest } from './http-exchange.ts';
import { PassEncodings, type PassEncoding } from './pass-encoding.ts';
import { RetryBudget } from './retry-budget.ts';
import { mayHaveHappened, sendRepeatedly, type Rejection, type SendResult } from './send-request.ts';
import type { JsonObject } from './protocol.ts';

export interface TinkerClientOptions {
  readonly http: HttpOptions;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The time from submitting an operation to giving up on its result. */
  readonly timeoutMs: number;
  /** The time after which a call ends when nothing but failures came. */
  readonly retryForMs: number;
  /** The encoding in which the first pass is tried. */
  readonly firstEncoding: PassEncoding;
  /** A signal that ends every call, and the heartbeats. */
  readonly signal: AbortSignal | undefined;
}

/** The version that is told to the server, which warns old clients. */
const clientVersion = 'agent-lightning-js/0.1.0';
const requestTimeoutMs = 60_000;
const pollMs = 45_000;
const heartbeatMs = 10_000;
/** The time without a successful heartbeat after which a warning is logged. */
const heartbeatWarningMs = 120_000;
/** The number of times that a forgotten operation is submitted again before giving up. */
const resubmissions = 3;

/** The name of a call, and the codes of its errors. */
export interface CallOptions {
  /** The name of the operation, for errors: `forward_backward of policy 'writer'`. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  readonly idempotencyKey?: string;
  /** The code of an error for input that the server finds invalid. @default 'backend-failed' */
  readonly invalid?: LightningErrorCode;
  /** True for a request that the server would apply twice: an error instead of a second try once it may have arrived. @default false */
  readonly once?: boolean;
  /** The code of an error for what the server does not have. @default 'session-lost' */
  readonly missing?: LightningErrorCode;
  readonly headers?: Readonly<Record<string, string>>;
  /** Reads the result where it comes as a protobuf message. @default a result that is no JSON is an error */
  readonly decode?: DecodeResult;
  /** True to return a status of 500 as a rejection instead of trying again. @default false */
  readonly returns500?: boolean;
}

/** The result of an operation that has ended, or the server's error. */
export type Outcome =
  | { readonly ok: true; readonly body: JsonObject }
  | { readonly ok: false; readonly error: BackendError };

/** Resolves when an accepted operation has ended; rejects when it is not known how it did. */
export type AwaitOutcome = () => Promise<Outcome>;

export type Submission = { readonly ok: true; readonly awaitOutcome: AwaitOutcome } | Rejection;

/** One session; it begins with the first call that needs it. */
export class TinkerClient {
  readonly http: HttpOptions;
  readonly passEncodings: PassEncodings;
  readonly #options: TinkerClientOptions;
  readonly #ended = new AbortController();
  readonly #everySignal: AbortSignal;
  #session: Promise<string> | undefined;
  #heartbeat: Promise<void> | undefined;
  #nextModel = 0;
  #nextSampler = 0;

  constructor(options: TinkerClientOptions) {
    this.http = options.http;
    this.passEncodings = new PassEncodings(options.firstEncoding);
    this.#options = options;
    const signals = [this.#ended.signal, ...(options.signal === undefined ? [] : [options.signal])];
    this.#everySignal = AbortSignal.any(signals);
  }

  /** Returns a number that no other model of this session has. */
  nextModelSequenceId(): number {
    return this.#nextModel++;
  }

  /** Returns a number that no other sampling session of this session has. */
  nextSamplerSequenceId(): number {
    return this.#nextSampler++;
  }

  /** Returns the session's id; the first call begins the session and its heartbeats. @throws {BackendError} `session-lost` */
  sessionId(): Promise<string> {
    this.#session ??= this.#beginSession();
    return this.#session;
  }

  /** Sends a call whose answer is its result. @throws {BackendError} @throws {TimeoutError} */
  async call(
    method: HttpRequest['method'],
    path: string,
    body: object | undefined,
    options: CallOptions,
  ): Promise<JsonObject> {
    const result = await this.#send(method, path, body, options);
    if (!result.ok) throw result.error;
    return result.body;
  }

  /**
   * Submits an operation; its result is asked for later, so that others can be submitted meanwhile.
   * @returns a rejection as data: nothing happened on the server
   * @throws {BackendError} when it is not known whether the server accepted
   */
  async submit(path: string, body: object | Uint8Array<ArrayBuffer>, options: CallOptions): Promise<Submission> {
    const idempotencyKey = options.idempotencyKey ?? randomUUID();
    const repeatable = { ...options, idempotencyKey };
    const result = await this.#send('POST', path, body, repeatable);
    if (!result.ok) return result;
    return { ok: true, awaitOutcome: () => this.#awaitOutcome(path, body, repeatable, result.body) };
  }

  /** Submits an operation as {@link submit} does, and awaits its result. */
  async run(path: string, body: object | Uint8Array<ArrayBuffer>, options: CallOptions): Promise<JsonObject> {
    const submission = await this.submit(path, body, options);
    if (!submission.ok) throw submission.error;
    const outcome = await submission.awaitOutcome();
    if (!outcome.ok) throw outcome.error;
    return outcome.body;
  }

  /** Ends heartbeats and whatever still waits. @param reason what those calls are told */
  async close(reason: Error): Promise<void> {
    this.#ended.abort(reason);
    await this.#heartbeat;
  }

  /** Returns the signal of a call: its own, the user's, and the end of this client. */
  signalOf(signal: AbortSignal | undefined): AbortSignal {
    return signal === undefined ? this.#everySignal : AbortSignal.any([this.#everySignal, signal]);
  }

  async #awaitOutcome(
    path: string,
    body: object | Uint8Array<ArrayBuffer>,
    options: CallOptions,
    accepted: JsonObject,
  ): Promise<Outcome> {
    const budget = this.#budgetFor(options, this.#options.timeoutMs);
    let reply = accepted;
    for (let tries = 0; ; tries += 1) {
      const outcome = await awaitFuture({
        http: this.http,
        requestId: requestIdOf(reply, options.what),
        budget,
        pollMs,
        invalid: options.invalid ?? 'backend-failed',
        decode: options.decode,
        onQueueState: (state) => this.#options.logger.info(`${options.what} waits on the server: ${state}`),
      });
      if (outcome.kind === 'result') return { ok: true, body: outcome.body };
      if (outcome.kind === 'failed') return { ok: false, error: outcome.error };
      if (options.once === true) throw mayHaveHappened(options.what, 'the server forgot it');
      if (tries === resubmissions) {
        throw new BackendError(
          `The training server forgot ${options.what} ${tries + 1} times; it was probably restarted. Resume the run from its last checkpoint.`,
          { code: 'session-lost', retryable: true },
        );
      }
      await budget.pause('the server forgot the operation');
      const again = await this.#send('POST', path, body, options);
      if (!again.ok) throw again.error;
      reply = again.body;
    }
  }

  async #send(
    method: HttpRequest['method'],
    path: string,
    body: object | Uint8Array<ArrayBuffer> | undefined,
    options: CallOptions,
  ): Promise<SendResult> {
    const {
      idempotencyKey,
      headers,
      invalid = 'backend-failed',
      missing = 'session-lost',
      once = false,
      returns500 = false,
    } = options;
    return await sendRepeatedly({
      http: this.http,
      request: {
        method,
        path,
        timeoutMs: requestTimeoutMs,
        ...(body === undefined ? {} : { body }),
        ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
        ...(headers === undefined ? {} : { headers }),
      },
      budget: this.#budgetFor(options, this.#options.timeoutMs),
      invalid,
      missing,
      once,
      returns500,
    });
  }

  #budgetFor({ what, signal }: CallOptions, timeoutMs: number): RetryBudget {
    const { clock, retryForMs } = this.#options;
    return new RetryBudget({ clock, signal: this.signalOf(signal), what, retryForMs, timeoutMs });
  }

  async #beginSession(): Promise<string> {
    const body = { tags: ['agent-lightning'], sdk_version: clientVersion, type: 'create_session' };
    const reply = await this.call('POST', '/api/v1/create_session', body, { what: 'create_session' });
    const { session_id: sessionId, info_message: info, warning_message: warning, error_message: error } = reply;
    const shown = (said: string): string => LightningError.hideKey(said, this.http.apiKey);
    if (typeof error === 'string' && error !== '')
      throw new BackendError(`The training server refused a session: ${shown(error)}`, { code: 'backend-failed' });
    if (typeof sessionId !== 'string' || sessionId === '') throw malformed('create_session', 'session_id');
    if (typeof warning === 'string' && warning !== '') this.#options.logger.warn(`training server: ${shown(warning)}`);
    if (typeof info === 'string' && info !== '') this.#options.logger.info(`training server: ${shown(info)}`);
    this.#heartbeat = this.#beat(sessionId);
    return sessionId;
  }

  /** Sends heartbeats until the client is closed or the server says that the session is gone. */
  async #beat(sessionId: string): Promise<void> {
    const { clock, logger } = this.#options;
    const signal = this.#everySignal;
    const what = 'session_heartbeat';
    let lastMs = clock.now();
    let warned = false;
    for (;;) {
      await clock.wait(heartbeatMs, signal, true);
      if (signal.aborted) return;
      const body = { session_id: sessionId, type: what };
      const budget = new RetryBudget({ clock, signal, what, retryForMs: 0, timeoutMs: heartbeatMs });
      const request = { method: 'POST', path: '/api/v1/session_heartbeat', body, timeoutMs: heartbeatMs } as const;
      const result = await sendRepeatedly({
        http: this.http,
        request,
        budget,
        invalid: 'backend-failed',
        missing: 'session-lost',
      }).catch(ignoreNoAnswer);
      if (signal.aborted) return;
      if (result?.ok === true) {
        lastMs = clock.now();
        warned = false;
      } else if (result !== undefined && (result.status === 404 || result.status === 410)) {
        this.#ended.abort(lost(sessionId));
        return;
      } else if (!warned && clock.now() - lastMs > heartbeatWarningMs) {
        warned = true;
        logger.warn(
          `no heartbeat reached the training server at ${this.http.url} for ${Math.round((clock.now() - lastMs) / 1_000)} s; it ends sessions that stay silent`,
        );
      }
    }
  }
}

/** Ignores a heartbeat without an answer, since the next one may get one. */
function ignoreNoAnswer(error: unknown): undefined {
  if (!LightningError.isInstance(error)) throw error;
}

function requestIdOf(reply: JsonObject, what: string): string {
  const { request_id: requestId } = reply;
  if (typeof requestId !== 'string' || requestId === '') throw malformed(what, 'request_id');
  return requestId;
}

/** Returns the error of an answer without a field that it must have. */
export function malformed(what: string, field: string): BackendError {
  return new BackendError(
    `The training server's answer to ${what} has no usable ${field}; is this URL a Tinker-style server?`,
    { code: 'backend-failed' },
  );
}

function lost(sessionId: string): BackendError {
  return new BackendError(
    `The training server ended the session ${sessionId}: it was restarted, or heard nothing for too long. Resume the run from its last checkpoint.`,
    { code: 'session-lost', retryable: true },
  );
}
