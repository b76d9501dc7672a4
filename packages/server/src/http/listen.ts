import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ConfigurationError, type LightningErrorCode } from '@agent-lightning/core';

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Host names, besides the loopback's and the bound one, that requests may name. */
  readonly allowedHosts: readonly string[];
  readonly maxConnections: number;
  /** The time for which a client that sent no readable request may keep its half of the connection open. @default 1_000 */
  readonly lingerMs?: number;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
}

/** A listening server. */
export interface Listener {
  /** The address, such as `http://127.0.0.1:4747`. */
  readonly url: string;
  readonly server: Server;
  /** Tells whether a `Host` header names this server; others are refused, against DNS rebinding. */
  isKnownHost(host: string | undefined): boolean;
  /** Stops listening; resolves when every connection is closed. Idle ones are closed at once, the others after their answer. */
  close(): Promise<void>;
}

/** The connections that the system keeps until they are accepted: its own default of 511 is less than the runners of one run. */
const backlog = 4_096;
const maxHeaderSize = 32_768;
const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/u.test(host);
}

/** Starts an HTTP server. @throws {ConfigurationError} `port-unavailable`, naming the port and what to do */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port, allowedHosts, maxConnections, lingerMs = 1_000, handle } = options;
  // A client that reuses a connection just as it is closed for idleness sees a reset: so idle ones live long.
  const server = createServer(
    { keepAliveTimeout: 75_000, headersTimeout: 30_000, requestTimeout: 300_000, maxHeaderSize },
    handle,
  );
  server.maxConnections = maxConnections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseUnread(error, socket, lingerMs));
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen({ port, host, backlog }, resolve);
  });
  const bound = server.address() as AddressInfo;
  const name = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
  const known = new Set([...loopbackNames, name, host, ...allowedHosts].map((each) => each.toLowerCase()));
  return {
    url: `http://${name}:${bound.port}`,
    server,
    isKnownHost: (given) => given !== undefined && known.has(given.toLowerCase().replace(/:\d+$/u, '')),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeIdleConnections();
      }),
  };
}

/**
 * Answers what is no request of HTTP, or has too long headers, as JSON like every other error; then closes the connection, even where
 * the client keeps its own half open.
 */
function refuseUnread(error: NodeJS.ErrnoException, socket: Duplex, lingerMs: number): void {
  if (socket.writableEnded) return; // more of the same
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [status, code, message] = unreadReasons[error.code ?? ''] ?? [
    '400 Bad Request',
    'request-invalid',
    'this is no request of HTTP/1.1',
  ];
  const body = JSON.stringify({ error: { type: 'StoreError', code, message, retryable: false } });
  const length = Buffer.byteLength(body);
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${length}\r\n\r\n${body}`,
  );
  // What still comes is read and dropped, or the client would see a reset before it has read the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('end', () =>
    socket.writableFinished ? socket.destroy() : socket.once('finish', () => socket.destroy()),
  );
  socket.once('close', () => clearTimeout(timer));
}

const unreadReasons: Readonly<Record<string, readonly [status: string, code: LightningErrorCode, message: string]>> = {
  HPE_HEADER_OVERFLOW: [
    '431 Request Header Fields Too Large',
    'request-too-large',
    `the headers are longer than ${maxHeaderSize} bytes`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: ['408 Request Timeout', 'timed-out', 'the request did not come within its time'],
};

function listenError(error: NodeJS.ErrnoException, host: string, port: number): ConfigurationError {
  const advice = {
    EADDRINUSE: `port ${port} of ${host} is in use; stop the program that listens there, choose another port, or give port 0 for any free one`,
    EACCES: `this user may not listen on ${host}:${port}; choose a port above 1023`,
    EADDRNOTAVAIL: `this machine has no address ${host}; use 127.0.0.1, or 0.0.0.0 for all of its addresses`,
    ENOTFOUND: `the host name ${host} does not resolve; use 127.0.0.1`,
  }[error.code ?? ''];
  return new ConfigurationError(advice ?? `cannot listen on ${host}:${port}: ${error.message}`, {
    code: 'port-unavailable',
    cause: error,
  });
}
