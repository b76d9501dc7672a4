import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** The share of the process's descriptors that connections may take; files, stores and upstreams need the rest. */
const descriptorShare = 0.75;
const mostConnections = 16_384;
const fewestConnections = 64;

/** Returns how many connections fit into the descriptors that this process may open; a fixed number where the system does not say. */
export function fittingConnections(): number {
  const limit = descriptorLimit();
  return Math.max(fewestConnections, Math.min(mostConnections, Math.floor(limit * descriptorShare)));
}

function descriptorLimit(): number {
  try {
    const found = /^Max open files\s+(\d+)/mu.exec(readFileSync('/proc/self/limits', 'utf8'));
    return found === null ? Infinity : Number(found[1]);
  } catch {
    return Infinity; // not Linux: Node raises the limit as far as the system lets it
  }
}

/**
 * Bounds the connections of a server. Those on which nobody has shown a key yet may take half of them: the oldest is closed for each
 * further one. When all places are taken, the one that has been idle for longest is closed.
 */
export class ConnectionGuard {
  readonly #maxConnections: number;
  readonly #maxUnknown: number;
  /** Connections without a key, oldest first. */
  readonly #unknown = new Set<Socket>();
  /** Connections with a key on which no request is answered now, idle for longest first. */
  readonly #idle = new Set<Socket>();
  readonly #requests = new Map<Socket, number>();

  constructor(maxConnections: number) {
    this.#maxConnections = maxConnections;
    this.#maxUnknown = Math.max(1, Math.floor(maxConnections / 2));
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Takes a new connection in, and closes another one for it, or the new one where all others are busy. */
  add(socket: Socket): void {
    this.#requests.set(socket, 0);
    this.#unknown.add(socket);
    socket.once('close', () => {
      this.#requests.delete(socket);
      this.#unknown.delete(socket);
      this.#idle.delete(socket);
    });
    if (this.#unknown.size > this.#maxUnknown) this.#closeFirst(this.#unknown);
    else if (this.#requests.size > this.#maxConnections)
      this.#closeFirst(this.#idle.size > 0 ? this.#idle : this.#unknown);
  }

  /** Follows a request until it is answered. */
  follow(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    this.#count(socket, 1);
    response.once('close', () => this.#count(socket, -1));
  }

  /** Notes that a request on this connection had a valid key. */
  trust({ socket }: IncomingMessage): void {
    this.#unknown.delete(socket);
  }

  #count(socket: Socket, change: number): void {
    const before = this.#requests.get(socket);
    if (before === undefined) return;
    this.#requests.set(socket, before + change);
    this.#idle.delete(socket);
    if (before + change === 0 && !this.#unknown.has(socket)) this.#idle.add(socket);
  }

  #closeFirst(sockets: Set<Socket>): void {
    for (const socket of sockets) {
      sockets.delete(socket);
      socket.destroy();
      return;
    }
  }
}
