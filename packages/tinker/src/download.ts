/** Downloads files from a training server, streamed to the disk. */
import { createWriteStream } from 'node:fs';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { BackendError } from '@agent-lightning/core';
import { sendRequest, throwIfAborted, type HttpOptions } from './http-exchange.ts';
import type { TinkerClient } from './tinker-client.ts';

export interface Download {
  /** The path below the server's URL. */
  readonly path: string;
  /** The file to write; it must not exist yet. */
  readonly target: string;
  /** The expected number of bytes; another number that arrives is an error. */
  readonly sizeBytes?: number;
}

/** Redirects that are followed: a server may answer with the address of its storage. */
const maxRedirects = 3;

/** Downloads one file. @throws {BackendError} `backend-failed` when the server refuses or the file arrives incomplete */
export async function download(client: TinkerClient, { path, target, sizeBytes }: Download): Promise<void> {
  const signal = client.signalOf(undefined);
  try {
    const response = await follow(client.http, path, signal);
    let received = 0;
    const count = new Transform({
      transform(chunk: Buffer, _, done) {
        received += chunk.length;
        done(undefined, chunk);
      },
    });
    await pipeline(
      Readable.fromWeb(response.body as ReadableStream),
      count,
      createWriteStream(target, { flags: 'wx', flush: true }),
    );
    if (sizeBytes !== undefined && received !== sizeBytes)
      throw failed(path, `${received} of ${sizeBytes} bytes arrived`);
  } catch (error) {
    throwIfAborted(signal);
    if (error instanceof BackendError) throw error;
    throw failed(path, (error as Error).message, error);
  }
}

/** Returns the answer behind any redirects. The key is sent only to the server that it is for. */
async function follow(http: HttpOptions, path: string, signal: AbortSignal): Promise<Response> {
  let url = new URL(`${http.url}${path}`);
  for (let redirects = 0; redirects <= maxRedirects; redirects += 1) {
    const isOwn = url.origin === new URL(http.url).origin;
    const own = { ...http, url: url.origin, ...(isOwn ? {} : { apiKey: undefined }) };
    const request = { method: 'GET', path: `${url.pathname}${url.search}`, redirect: 'manual' } as const;
    const response = await sendRequest(own, request, signal);
    if (response.ok && response.body !== null) return response;
    const location = response.headers.get('location');
    await response.body?.cancel();
    if (response.status < 300 || response.status >= 400 || location === null)
      throw failed(path, `the server answered ${response.status}`);
    url = new URL(location, url);
  }
  throw failed(path, `it is behind more than ${maxRedirects} redirects`);
}

function failed(path: string, problem: string, cause?: unknown): BackendError {
  return new BackendError(`Downloading ${path} from the training server failed: ${problem}.`, {
    code: 'backend-failed',
    retryable: true,
    cause,
  });
}
