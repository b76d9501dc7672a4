/**
 * The store's clock is the server's, so that processes on several machines agree about leases. It is read from this process's
 * monotonic clock with an offset, which every answer of the server narrows: what the server said lies between asking and hearing.
 */
export class ServerClock {
  readonly #monotonicMs: () => number;
  #offsetMs: number | undefined;

  constructor(monotonicMs: () => number = () => performance.now()) {
    this.#monotonicMs = monotonicMs;
  }

  /** Milliseconds since the epoch, whole. */
  now(): number {
    return Math.floor(this.#monotonicMs() + (this.#offsetMs ?? 0));
  }

  /** Returns the moment to remember before the server is asked. */
  mark(): number {
    return this.#monotonicMs();
  }

  /** Moves the clock only as far as this answer proves it wrong. */
  set(serverMs: number, askedMs: number): void {
    const latest = serverMs - askedMs;
    const earliest = serverMs - this.#monotonicMs();
    if (this.#offsetMs === undefined) this.#offsetMs = (earliest + latest) / 2;
    else this.#offsetMs = Math.min(latest, Math.max(earliest, this.#offsetMs));
  }
}

/** The server's clock in milliseconds; as a number, since its text would be a string. */
export const selectServerMs: string = `(extract(epoch FROM clock_timestamp()) * 1000)::float8 AS server_ms`;
