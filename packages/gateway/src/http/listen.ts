import type { Duplex } from 'node:stream';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { GatewayError } from '@agent-lightning/core';
import { ConnectionGuard, fittingConnections } from './connection-guard.ts';

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Host names, besides the loopback's and the bound one, that requests may name. */
  readonly allowedHosts: readonly string[];
  /** The most connections at once. @default three quarters of the descriptors of this process, and at most 16_384 */
  readonly maxConnections?: number;
  /** The time for which a client that sent no readable request may keep its half of the connection open. @default 1_000 */
  readonly lingerMs?: number;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
}

/** The connections that the system keeps until they are accepted: its own default of 511 is less than the agents of one run. */
const backlog = 4_096;

/** A listening server. */
export interface Listener {
  /** The address, such as `http://127.0.0.1:4321`. */
  readonly url: string;
  readonly server: Server;
  /** Notes that a request had a valid key: connections without one are few, and closed first. */
  trust(request: IncomingMessage): void;
  /** Tells whether a `Host` header names this server; others are rejected, against DNS rebinding. */
  isKnownHost(host: string | undefined): boolean;
  /** Stops listening; resolves when every connection is closed. Idle ones are closed at once, the others after their reply. */
  close(): Promise<void>;
}

const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/u.test(host);
}

/** The status lines for clients whose request could not even be read. */
const unreadable: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

function listenError(error: NodeJS.ErrnoException, options: ListenOptions): GatewayError {
  const place = `${options.host}:${options.port}`;
  const advice = {
    EADDRINUSE: `port ${options.port} of ${options.host} is in use; stop the program that listens there, choose another port, or give port 0 for any free one`,
    EACCES: `this user may not listen on ${place}; choose a port above 1023`,
    EADDRNOTAVAIL: `this machine has no address ${options.host}; use 127.0.0.1`,
    ENOTFOUND: `the host name ${options.host} does not resolve; use 127.0.0.1`,
  }[error.code ?? ''];
  return new GatewayError(advice ?? `cannot listen on ${place}: ${error.message}`, {
    code: 'port-unavailable',
    cause: error,
  });
}

/** Answers a request that cannot be read, and closes the connection even where the client keeps its own half open. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex, lingerMs: number): void {
  if (socket.writableEnded) return undefined; // more of the same
  if (!socket.writable) return void socket.destroy();
  const status = unreadable[error.code ?? ''] ?? '400 Bad Request';
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  // What still comes is read and dropped, or the client would see a reset before it has read the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('end', () =>
    socket.writableFinished ? socket.destroy() : socket.once('finish', () => socket.destroy()),
  );
  socket.once('close', () => clearTimeout(timer));
  return undefined;
}

/** Starts an HTTP server. @throws {GatewayError} `port-unavailable`, naming the port and what to do */
export async function listen(options: ListenOptions): Promise<Listener> {
  // A client that reuses a connection just as it is closed for idleness sees a reset: so idle ones live long.
  const server = createServer(
    { keepAliveTimeout: 75_000, headersTimeout: 30_000, requestTimeout: 120_000, maxHeaderSize: 32_768 },
    (request, response) => {
      guard.follow(request, response);
      options.handle(request, response);
    },
  );
  const guard = new ConnectionGuard(options.maxConnections ?? fittingConnections());
  server.on('connection', (socket: Socket) => guard.add(socket));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
    refuseUnreadable(error, socket, options.lingerMs ?? 1_000),
  );
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, options)));
    server.listen({ port: options.port, host: options.host, backlog }, resolve);
  });
  const { address, port, family } = server.address() as AddressInfo;
  const name = family === 'IPv6' ? `[${address}]` : address;
  const known = new Set(
    [...loopbackNames, name, options.host, ...options.allowedHosts].map((host) => host.toLowerCase()),
  );
  return {
    url: `http://${name}:${port}`,
    server,
    trust: (request) => guard.trust(request),
    isKnownHost: (host) => host !== undefined && known.has(host.toLowerCase().replace(/:\d+$/u, '')),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => (error === undefined ? resolve() : reject(error)));
        server.closeIdleConnections();
      }),
  };
}
