import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import * as platform from '@agent-lightning/platform';
import { ConnectionGuard, fittingConnections } from './connection-guard.ts';
import { ReplyError } from './reply-error.ts';

export interface ListenOptions extends Pick<
  platform.ListenOptions,
  'host' | 'port' | 'allowedHosts' | 'lingerMs' | 'handle'
> {
  /** The most connections at once. @default three quarters of the descriptors of this process, and at most 16_384 */
  readonly maxConnections?: number;
}

/** A listening server that bounds its connections. */
export interface Listener extends platform.Listener {
  /** Notes that a request had a valid key: connections without one are few, and closed first. */
  trust(request: IncomingMessage): void;
}

const requestTimeoutMs = 120_000;

/** Starts an HTTP server. @throws {ConfigurationError} `port-unavailable`, naming the port and what to do */
export async function listen({ maxConnections, handle, ...options }: ListenOptions): Promise<Listener> {
  const guard = new ConnectionGuard(maxConnections ?? fittingConnections());
  const listener = await platform.listen({
    ...options,
    requestTimeoutMs,
    handle: (request: IncomingMessage, response: ServerResponse) => {
      guard.follow(request, response);
      handle(request, response);
    },
    unreadableBody: ({ message, ...problem }) => new ReplyError(message, problem).toBody(),
  });
  listener.server.on('connection', (socket: Socket) => guard.add(socket));
  return { ...listener, trust: (request) => guard.trust(request) };
}
