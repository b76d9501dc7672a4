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

/** The upstream's address as errors and spans may show it. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function stallError(url: URL, stallTimeoutMs: number, unread: number): WireError {
  return unread > 0
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
    outgoing.on('timeout', () => end(stallError(url, stallTimeoutMs, reply?.readableLength ?? 0)));
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

/** The pieces of a reply's body. Leaving early leaves the rest unread. @throws {WireError} when it breaks off, stalls or grows over the limit */
export async function* readBody(
  reply: IncomingMessage,
  url: URL,
  limitBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  let size = 0;
  try {
    for await (const chunk of reply.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > limitBytes)
        throw new WireError(`the upstream ${shownUrl(url)} sent more than ${limitBytes} bytes and had not finished`, {
          code: 'upstream-malformed',
          wireCode: 'upstream-endless',
        });
      yield chunk;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (error instanceof WireError) throw error;
    throw new WireError(`the upstream ${shownUrl(url)} broke off its reply after ${size} bytes`, {
      code: 'upstream-failed',
      cause: error,
    });
  }
}

export async function readWhole(
  reply: IncomingMessage,
  url: URL,
  limitBytes: number,
  signal: AbortSignal,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readBody(reply, url, limitBytes, signal)) chunks.push(chunk);
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}
