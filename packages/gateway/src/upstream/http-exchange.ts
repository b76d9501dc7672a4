import { Agent, errors, type Dispatcher } from 'undici';
import { shownUrl } from '../http/shown-url.ts';
import { ReplyError } from '../http/reply-error.ts';

export interface ExchangeOptions {
  readonly url: URL;
  readonly apiKey: string | undefined;
  readonly body?: Buffer;
  readonly accept: string;
  readonly method?: 'GET' | 'POST';
  /** The headers that are sent, all of them. @default those of a JSON call with the key as a bearer */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the exchange; until a reply has begun, nothing else does: a model may think, or wait for its turn, in silence. */
  readonly signal: AbortSignal;
}

/** Gets a body as it comes, and once how it ended. */
interface BodyListener {
  onPiece(piece: Buffer): void;
  onEnd(): void;
  onError(error: unknown): void;
}

// Redirects are not followed, and only configured upstreams are ever asked. Silence is a call's own matter: see `watchSilence`.
const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, pipelining: 1 });

/** The time that the rest of a reply may take once enough of it was read, so that its connection can be used again. */
const lingerMs = 1_000;

function stallError(url: URL, stallTimeoutMs: number, isAgentSlow: boolean): ReplyError {
  return isAgentSlow
    ? new ReplyError(`the agent read nothing of its reply for ${stallTimeoutMs} ms`, { code: 'cancelled' })
    : new ReplyError(`the upstream ${shownUrl(url)} sent nothing for ${stallTimeoutMs} ms`, {
        code: 'upstream-timeout',
        replyCode: 'upstream-stalled',
      });
}

function headersOf({ accept, apiKey, headers: given }: ExchangeOptions): Readonly<Record<string, string>> {
  if (given !== undefined) return given;
  const headers = { 'content-type': 'application/json', accept, 'accept-encoding': 'identity' };
  return apiKey === undefined ? headers : { ...headers, authorization: `Bearer ${apiKey}` };
}

/** The head of a reply, and its body, which is kept until it is listened to. */
export class HttpReply {
  readonly statusCode: number;
  readonly #headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly #controller: Dispatcher.DispatchController;
  #silence: NodeJS.Timeout | undefined;
  #hasEnded = false;
  #listener: BodyListener | undefined;
  #unheard: ((listener: BodyListener) => void)[] = [];

  constructor(
    controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ) {
    this.#controller = controller;
    this.statusCode = statusCode;
    this.#headers = headers;
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === 'object' ? value[0] : value;
  }

  get headers(): Readonly<Record<string, string | string[] | undefined>> {
    return this.#headers;
  }

  listen(listener: BodyListener): void {
    this.#listener = listener;
    for (const tell of this.#unheard.splice(0)) tell(listener);
  }

  tell(news: (listener: BodyListener) => void): void {
    if (this.#listener === undefined) this.#unheard.push(news);
    else news(this.#listener);
  }

  /** From now on, a silence of so many milliseconds breaks the reply; only the first call counts. */
  watchSilence(url: URL, stallTimeoutMs: number): void {
    if (this.#hasEnded) return;
    this.#silence ??= setTimeout(
      () => this.#controller.abort(stallError(url, stallTimeoutMs, this.#controller.paused)),
      stallTimeoutMs,
    );
  }

  /** Notes that a piece came. */
  hear(): void {
    this.#silence?.refresh();
  }

  /** Notes that no piece comes any more. */
  endListening(): void {
    this.#hasEnded = true;
    clearTimeout(this.#silence);
  }

  pause(): void {
    this.#controller.pause();
  }

  resume(): void {
    this.#controller.resume();
  }

  /** Gives up the rest of the body, and the connection with it; nothing happens when it is all there. */
  destroy(): void {
    this.#controller.abort(new ReplyError('the rest of the reply is not wanted', { code: 'cancelled' }));
  }
}

/** One request on its way. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #options: ExchangeOptions;
  readonly #onReply: (reply: HttpReply) => void;
  readonly #onFailure: (error: unknown) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #reply: HttpReply | undefined;
  #givenUp: Error | undefined;

  constructor(options: ExchangeOptions, onReply: (reply: HttpReply) => void, onFailure: (error: unknown) => void) {
    this.#options = options;
    this.#onReply = onReply;
    this.#onFailure = onFailure;
    options.signal.addEventListener('abort', this.#onAbort);
  }

  readonly #onAbort = (): void => this.#giveUp(this.#options.signal.reason as Error);

  #giveUp(reason: Error): void {
    this.#givenUp = reason;
    if (this.#controller === undefined) this.onResponseError(undefined, reason);
    else this.#controller.abort(reason);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#givenUp !== undefined) controller.abort(this.#givenUp);
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    // What is said before the reply, such as an early hint, is not for agents.
    if (status < 200) return;
    this.#reply = new HttpReply(controller, status, headers);
    this.#onReply(this.#reply);
  }

  onResponseData(_controller: Dispatcher.DispatchController, piece: Buffer): void {
    this.#reply?.hear();
    this.#reply?.tell((listener) => listener.onPiece(piece));
  }

  onResponseEnd(): void {
    this.#end();
    this.#reply?.tell((listener) => listener.onEnd());
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    this.#end();
    if (this.#reply === undefined) this.#onFailure(error);
    else this.#reply.tell((listener) => listener.onError(error));
  }

  #end(): void {
    this.#reply?.endListening();
    this.#options.signal.removeEventListener('abort', this.#onAbort);
  }
}

/** Sends a request once, by default a POST, and resolves with the reply's head. @throws {ReplyError} `upstream-failed` | `upstream-timeout`, or the signal's reason */
export function exchange(options: ExchangeOptions): Promise<HttpReply> {
  const { url, signal, body = null, method = 'POST' } = options;
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as ReplyError);
    const { origin, pathname, search } = url;
    agent.dispatch(
      { origin, path: pathname + search, method, headers: headersOf(options), body },
      new Exchange(options, resolve, (error) => reject(transportError(error, url))),
    );
    return undefined;
  });
}

/** Returns the error of a failed connection. It is safe to ask again: not even the head of a reply was whole. */
export function transportError(cause: unknown, url: URL): ReplyError {
  if (cause instanceof ReplyError) return cause;
  const isOfSystem = !(cause instanceof errors.UndiciError) && cause instanceof Error && 'code' in cause;
  const reason = isOfSystem ? String(cause.code) : cause instanceof Error ? cause.message : String(cause);
  return new ReplyError(`the connection to the upstream ${shownUrl(url)} failed: ${reason}`, {
    code: 'upstream-failed',
    retryable: true,
    cause,
  });
}

export interface BodyOptions {
  readonly url: URL;
  readonly limitBytes: number;
  readonly signal: AbortSignal;
  /** Called with the size of each piece as it comes; what it throws ends the reply. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
}

export interface WholeBodyOptions extends BodyOptions {
  /** The longest silence once the body has begun; white space, by which a proxy keeps a connection open, is no beginning. */
  readonly stallTimeoutMs: number;
}

/** The reader's answer to pieces of a body: a promise to wait for before the next ones, or that it wants no more. */
export type PieceVerdict = Promise<void> | 'enough' | undefined;

function endlessError({ url, limitBytes }: BodyOptions): ReplyError {
  return new ReplyError(`the upstream ${shownUrl(url)} sent more than ${limitBytes} bytes and had not finished`, {
    code: 'upstream-malformed',
    replyCode: 'upstream-endless',
  });
}

/**
 * Hands on a reply's body as it comes, the pieces of one turn of the event loop together. What is said about the last ones, also
 * of a body that breaks off, changes nothing.
 * @throws {ReplyError} when it breaks off, stalls or grows over the limit; what `onPieces` throws. The rest of it is given up then.
 */
export function readBody(
  reply: HttpReply,
  options: BodyOptions,
  onPieces: (pieces: readonly Buffer[], isLast: boolean) => PieceVerdict,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let size = 0;
    let isSettled = false;
    let pieces: Buffer[] = [];
    let turn: NodeJS.Immediate | undefined;
    const settle = (finish: () => void): void => {
      isSettled = true;
      clearImmediate(turn);
      finish();
    };
    const fail = (error: unknown): void =>
      settle(() => {
        reply.destroy();
        reject(error as Error);
      });
    const guard = (work: () => void): void => {
      if (isSettled) return;
      try {
        work();
      } catch (error) {
        fail(error);
      }
    };
    const handOn = (isLast: boolean): PieceVerdict => {
      const handed = pieces;
      pieces = [];
      turn = undefined;
      return onPieces(handed, isLast);
    };
    const afterTurn = (): void =>
      guard(() => {
        const verdict = handOn(false);
        if (verdict === undefined) return;
        if (verdict === 'enough') {
          linger(reply);
          return settle(resolve);
        }
        reply.pause();
        verdict.then(() => reply.resume(), fail);
      });
    reply.listen({
      onPiece: (piece) =>
        guard(() => {
          size += piece.length;
          if (size > options.limitBytes) throw endlessError(options);
          options.onBytes?.(piece.length);
          pieces.push(piece);
          turn ??= setImmediate(afterTurn);
        }),
      onEnd: () =>
        guard(() => {
          handOn(true);
          settle(resolve);
        }),
      onError: (error) =>
        guard(() => {
          handOn(true);
          const { url, signal } = options;
          const broken = new ReplyError(`the upstream ${shownUrl(url)} broke off its reply after ${size} bytes`, {
            code: 'upstream-failed',
            cause: error,
          });
          fail(signal.aborted ? signal.reason : error instanceof ReplyError ? error : broken);
        }),
    });
  });
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/** Reads and discards the rest of a body; one that does not end soon is given up with its connection. */
function linger(reply: HttpReply): void {
  const timer = setTimeout(() => reply.destroy(), lingerMs);
  const stop = (): void => clearTimeout(timer);
  reply.listen({ onPiece: () => undefined, onEnd: stop, onError: stop });
  reply.resume();
}

export async function readWhole(reply: HttpReply, options: WholeBodyOptions): Promise<Buffer> {
  const whole: Buffer[] = [];
  let hasBegun = false;
  await readBody(reply, options, (pieces) => {
    for (const piece of pieces) whole.push(piece);
    hasBegun ||= pieces.some((piece) => !piece.every(isSpace));
    if (hasBegun) reply.watchSilence(options.url, options.stallTimeoutMs);
    return undefined;
  });
  return whole.length === 1 && whole[0] !== undefined ? whole[0] : Buffer.concat(whole);
}
