import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { ConfigurationError } from '@agent-lightning/core';

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** Host names, besides the loopback's and the bound one, that requests may name. */
  readonly allowedHosts: readonly string[];
  /** The longest time in which a request may come whole. */
  readonly requestTimeoutMs: number;
  /** The time for which a client that sent no readable request may keep its half of the connection open. @default 1_000 */
  readonly lingerMs?: number;
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** Returns what is answered, as JSON, to a request that could not even be read. */
  readonly unreadableBody: (problem: UnreadableRequest) => object;
}

/** Why a request could not be read. */
export interface UnreadableRequest {
  readonly code: 'request-invalid' | 'request-too-large' | 'timed-out';
  readonly status: number;
  readonly message: string;
}

/** A listening server. */
export interface Listener {
  /** The address, such as `http://127.0.0.1:4747`. */
  readonly url: string;
  readonly server: Server;
  /** Tells whether a `Host` header names this server; others are to be refused, against DNS rebinding. */
  isKnownHost(host: string | undefined): boolean;
  /** Stops listening; resolves when every connection is closed. Idle ones are closed at once, the others after their reply. */
  close(): Promise<void>;
}

/** The connections that the system keeps until they are accepted: its own default of 511 is less than the agents of one run. */
const backlog = 4_096;
const maxHeaderSize = 32_768;
const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Starts an HTTP server. @throws {ConfigurationError} `port-unavailable`, naming the port and what to do */
export async function listen(options: ListenOptions): Promise<Listener> {
  const { host, port, allowedHosts, requestTimeoutMs, handle } = options;
  // A client that reuses a connection just as it is closed for idleness sees a reset: so idle ones live long.
  const server = createServer(
    { keepAliveTimeout: 75_000, headersTimeout: 30_000, requestTimeout: requestTimeoutMs, maxHeaderSize },
    handle,
  );
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => refuseUnreadable(error, socket, options));
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

/** Answers what is no request of HTTP, and closes the connection even where the client keeps its own half open. */
function refuseUnreadable(
  error: NodeJS.ErrnoException,
  socket: Duplex,
  { unreadableBody, lingerMs = 1_000 }: ListenOptions,
): void {
  if (socket.writableEnded) return; // more of the same
  if (!socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
  const [reason, problem] = problems[error.code ?? ''] ?? otherProblem;
  const body = JSON.stringify(unreadableBody(problem));
  const head = [
    `HTTP/1.1 ${problem.status} ${reason}`,
    'connection: close',
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
  // What still comes is read and dropped, or the client would see a reset before it has read the answer.
  socket.resume();
  const timer = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('end', () =>
    socket.writableFinished ? socket.destroy() : socket.once('finish', () => socket.destroy()),
  );
  socket.once('close', () => clearTimeout(timer));
}

type Problem = readonly [reason: string, UnreadableRequest];

const problems: Readonly<Record<string, Problem>> = {
  HPE_HEADER_OVERFLOW: [
    'Request Header Fields Too Large',
    { status: 431, code: 'request-too-large', message: `the headers are longer than ${maxHeaderSize} bytes` },
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    'Request Timeout',
    { status: 408, code: 'timed-out', message: 'the request did not come within its time' },
  ],
};
const otherProblem: Problem = [
  'Bad Request',
  { status: 400, code: 'request-invalid', message: 'this is no request of HTTP/1.1' },
];

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
