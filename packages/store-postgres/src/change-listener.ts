import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import { retryDelayMs, type Connections } from './connections.ts';
import { selectServerMs } from './server-clock.ts';

/** Adds to the type of a client what the types of pg leave out. */
type RefClient = Client & { ref(): void; unref(): void };

/** The interval at which the position of events is read while somebody waits, in case a notification was lost. */
const checkIntervalMs = 1_000;
/** The interval at which the server's clock is read when nothing else happens. */
const clockIntervalMs = 30_000;

/**
 * Learns of other processes' commits through LISTEN. Looks for what it may have missed after each reconnection, and once a second
 * while somebody waits; the same answer keeps the clock.
 */
export class ChangeListener {
  readonly #connections: Connections;
  readonly #channel: string;
  readonly #self: string;
  readonly #listeners: Set<() => void> = new Set();
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  #position: unknown;
  #checkedMs: number = 0;
  #isChecking: boolean = false;
  #isClosed: boolean = false;
  #connecting: Promise<void> | undefined;

  /** @param self what this process announces its own commits with; it does not have to be told of them */
  constructor(connections: Connections, channel: string, self: string) {
    this.#connections = connections;
    this.#channel = channel;
    this.#self = self;
  }

  async start(): Promise<void> {
    await this.#connect();
    this.#timer = setInterval(() => void this.#tick(), checkIntervalMs).unref();
  }

  add(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    const client = this.#client;
    this.#client = undefined;
    (client as RefClient | undefined)?.ref();
    await client?.end();
    await this.#connecting;
  }

  async #connect(): Promise<void> {
    const client = await this.#connections.connect();
    client.on('notification', ({ payload }) => {
      if (payload !== this.#self) this.#tell();
    });
    client.on('end', () => this.#lose(client));
    try {
      await client.query(`LISTEN ${client.escapeIdentifier(this.#channel)}`);
      this.#client = client;
      await this.#check(client);
    } catch (error) {
      this.#client = undefined;
      await client.end();
      throw error;
    }
    (client as RefClient).unref(); // listening alone does not keep a process alive
    // Closed meanwhile.
    if (this.#isClosed) await client.end();
  }

  #lose(client: Client): void {
    if (this.#client !== client || this.#isClosed) return;
    this.#client = undefined;
    this.#connecting ??= this.#reconnect();
  }

  async #reconnect(): Promise<void> {
    for (let failures = 1; !this.#isClosed; failures++) {
      try {
        await this.#connect();
        break;
      } catch {
        // Nobody called, so nobody can be told; calls meet the same error and report it.
        await delay(retryDelayMs(failures), undefined, { ref: false });
      }
    }
    this.#connecting = undefined;
    this.#tell();
  }

  async #tick(): Promise<void> {
    const client = this.#client;
    const isDue = this.#listeners.size > 0 || performance.now() - this.#checkedMs > clockIntervalMs;
    if (client === undefined || this.#isChecking || !isDue) return;
    this.#isChecking = true;
    try {
      await this.#check(client);
    } catch {
      // Half-open or gone: a new connection finds out.
      void client.end();
      this.#lose(client);
    } finally {
      this.#isChecking = false;
    }
  }

  async #check(client: Client): Promise<void> {
    const askedMs = this.#connections.clock.mark();
    const { rows } = await client.query<{ event: number; server_ms: number }>({
      text: `SELECT event, ${selectServerMs} FROM positions`,
      query_timeout: this.#connections.reconnectMs,
    } as { readonly text: string });
    const [row] = rows;
    this.#checkedMs = performance.now();
    this.#connections.clock.set(row?.server_ms as number, askedMs);
    const before = this.#position;
    this.#position = row?.event;
    if (before !== undefined && before !== this.#position) this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
