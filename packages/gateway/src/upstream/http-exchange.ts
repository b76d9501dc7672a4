import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { WireError } from '../http/wire-error.ts';

export interface ExchangeOptions {
  readonly url: URL;
  readonly apiKey: string | undefined;
  readonly body: Buffer;
  readonly accept: string;
  readonly signal: AbortSignal;
  /** The longest silence between two pieces of a reply, the first included. */
  readonly stallTimeoutMs: number;
}

// Redirects are not followed, and only configured upstreams are ever asked.
const httpAgent = new HttpAgent({ keepAlive: true, maxFreeSockets: 256 });
const httpsAgent = new HttpsAgent({ keepAlive: true, maxFreeSockets: 256 });

/** An upstream's address as errors, spans and logs may show it: without credentials and query. */
export function shownUrl(address: URL | string): string {
  const url = new URL(address);
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function stallError(url: URL, stallTimeoutMs: number, isAgentSlow: boolean): WireError {
  return isAgentSlow
    ? new WireError(`the agent read nothing of its reply for ${stallTimeoutMs} ms`, { code: 'cancelled' })
    : new WireError(`the upstream ${shownUrl(url)} sent nothing for ${stallTimeoutMs} ms`, {
        code: 'upstream-timeout',
        wireCode: 'upstream-stalled',
      });
}

function headersOf(options: ExchangeOptions): Record<string, string | number> {
  const headers = {
    'content-type': 'application/json',
    'content-length': options.body.length,
    accept: options.accept,
    'accept-encoding': 'identity',
  };
  return options.apiKey === undefined ? headers : { ...headers, authorization: `Bearer ${options.apiKey}` };
}

/** Posts a body once and resolves with the reply's head. @throws {WireError} `upstream-failed` | `upstream-timeout`, or the signal's reason */
export function exchange(options: ExchangeOptions): Promise<IncomingMessage> {
  const { url, signal, stallTimeoutMs } = options;
  const isTls = url.protocol === 'https:';
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as WireError);
    const agent = isTls ? httpsAgent : httpAgent;
    const outgoing = (isTls ? httpsRequest : httpRequest)(url, {
      method: 'POST',
      agent,
      timeout: stallTimeoutMs,
      headers: headersOf(options),
    });
    let reply: IncomingMessage | undefined;
    const end = (reason: WireError): void => {
      // The reply first: destroying the request alone would show its reader a mere reset.
      reply?.destroy(reason);
      outgoing.destroy(reason);
    };
    const onAbort = (): void => end(signal.reason as WireError);
    signal.addEventListener('abort', onAbort);
    outgoing.on('timeout', () => end(stallError(url, stallTimeoutMs, reply?.isPaused() ?? false)));
    outgoing.on('response', (message) => {
      reply = message;
      resolve(message);
    });
    outgoing.on('close', () => signal.removeEventListener('abort', onAbort));
    outgoing.on('error', (cause: NodeJS.ErrnoException) => {
      // The upstream closed an idle connection just as it was used again: that says nothing about this call.
      if (reply === undefined && outgoing.reusedSocket && cause.code === 'ECONNRESET') resolve(exchange(options));
      else reject(transportError(cause, url));
    });
    outgoing.end(options.body);
  });
}

/** A failed connection, named. Safe to ask again: nothing of a reply was seen. */
export function transportError(cause: unknown, url: URL): WireError {
  if (cause instanceof WireError) return cause;
  const reason = cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : String(cause);
  return new WireError(`the connection to the upstream ${shownUrl(url)} failed: ${reason}`, {
    code: 'upstream-failed',
    retryable: true,
    cause,
  });
}

export interface BodyOptions {
  readonly url: URL;
  readonly limitBytes: number;
  readonly signal: AbortSignal;
}

/** What may be done about a piece of a body: wait before the next one comes, or want no more. */
export type PieceVerdict = Promise<void> | 'enough' | undefined;

function endlessError({ url, limitBytes }: BodyOptions): WireError {
  return new WireError(`the upstream ${shownUrl(url)} sent more than ${limitBytes} bytes and had not finished`, {
    code: 'upstream-malformed',
    wireCode: 'upstream-endless',
  });
}

/**
 * Hands on a reply's body as it comes; `onTurn` is called once for all pieces that came in one turn of the event loop, and
 * with true when the body is over.
 * @throws {WireError} when it breaks off, stalls or grows over the limit; what the callbacks throw
 */
export function readBody(
  reply: IncomingMessage,
  options: BodyOptions,
  onPiece: (piece: Buffer) => void,
  onTurn?: (isOver: boolean) => PieceVerdict,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let size = 0;
    let turn: NodeJS.Immediate | undefined;
    const settle = (finish: () => void): void => {
      clearImmediate(turn);
      reply.off('data', onData).off('end', onEnd).off('error', onError);
      // A reply that breaks after it was given up has nobody left to tell.
      reply.on('error', () => undefined);
      finish();
    };
    const guard = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        settle(() => reject(error as Error));
      }
    };
    const afterTurn = (): void =>
      guard(() => {
        turn = undefined;
        const verdict = onTurn?.(false);
        if (verdict === undefined) return;
        if (verdict === 'enough') return settle(resolve);
        reply.pause();
        verdict.then(
          () => reply.resume(),
          (error: unknown) => settle(() => reject(error as Error)),
        );
      });
    const onData = (piece: Buffer): void =>
      guard(() => {
        size += piece.length;
        if (size > options.limitBytes) throw endlessError(options);
        onPiece(piece);
        if (onTurn !== undefined) turn ??= setImmediate(afterTurn);
      });
    const onEnd = (): void =>
      guard(() => {
        onTurn?.(true);
        settle(resolve);
      });
    const onError = (error: unknown): void => {
      const { url, signal } = options;
      const broken = new WireError(`the upstream ${shownUrl(url)} broke off its reply after ${size} bytes`, {
        code: 'upstream-failed',
        cause: error,
      });
      settle(() => reject(signal.aborted ? (signal.reason as Error) : error instanceof WireError ? error : broken));
    };
    reply.on('error', onError).on('end', onEnd).on('data', onData);
  });
}

export async function readWhole(reply: IncomingMessage, options: BodyOptions): Promise<Buffer> {
  const pieces: Buffer[] = [];
  await readBody(reply, options, (piece) => pieces.push(piece));
  return pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces);
}
