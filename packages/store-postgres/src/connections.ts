import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs } from '@agent-lightning/platform';
import pg, { type ClientConfig, type Pool, type PoolClient } from 'pg';
import { isLost, toStoreError } from './postgres-errors.ts';
import type { ServerClock } from './server-clock.ts';
import { StatementNames, Transaction } from './transaction.ts';

export interface ConnectionsOptions {
  readonly connection: ClientConfig;
  readonly schema: string;
  readonly maxConnections: number;
  /** The time for which a call tries to reach the server again. */
  readonly reconnectMs: number;
}

const { Client, Pool: ClientPool, types } = pg;

/** Reads bigint as a number: such columns hold counts and milliseconds, all of them safe integers. */
const numericTypes = {
  getTypeParser: (oid: number, format?: 'text' | 'binary'): unknown =>
    oid === types.builtins.INT8 && format !== 'binary' ? Number : types.getTypeParser(oid, format as 'text'),
};

const sessionOptions: readonly string[] = [
  // A process that is frozen inside a transaction must not hold its locks for long.
  '-c idle_in_transaction_session_timeout=5000',
  // Every statement here goes by an index. A plan is made once; one that was made while a table was small must not scan it when it is large.
  '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off',
];

/** The connections of one process to one server. Each is made when it is needed, and made again after it broke. */
export class Connections {
  readonly place: string;
  readonly reconnectMs: number;
  readonly clock: ServerClock;
  readonly #configuration: ClientConfig;
  readonly #pool: Pool;
  readonly #names: StatementNames = new StatementNames();

  constructor({ connection, schema, maxConnections, reconnectMs }: ConnectionsOptions, clock: ServerClock) {
    this.reconnectMs = reconnectMs;
    this.clock = clock;
    this.#configuration = {
      application_name: 'agent-lightning',
      ...connection,
      connectionTimeoutMillis: Math.max(1, reconnectMs),
      keepAlive: true,
      pipeline: true,
      types: numericTypes as NonNullable<ClientConfig['types']>,
      options: [connection.options ?? '', `-c search_path="${schema}"`, ...sessionOptions].join(' ').trim(),
    };
    // One connection is the listener's.
    this.#pool = new ClientPool({ ...this.#configuration, max: maxConnections - 1, allowExitOnIdle: true });
    // A connection that breaks while it is idle is replaced when one is needed; in use, its statement rejects.
    this.#pool.on('error', () => undefined);
    this.#pool.on('connect', (client) => client.on('error', () => undefined));
    const { database, host, port } = new Client(this.#configuration);
    this.place = `"${schema}" in ${database ?? ''} on ${host}:${port}`;
  }

  /** Opens a connection outside the pool, for work that lasts, such as listening. */
  async connect(): Promise<pg.Client> {
    const client = new Client(this.#configuration);
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** Runs `work` in a transaction that it begins and ends itself; what it leaves open is rolled back. */
  async use<Reply>(work: (transaction: Transaction) => Promise<Reply>): Promise<Reply> {
    const client = await this.#pool.connect();
    let isSound = false;
    try {
      const reply = await work(new Transaction(client, this.#names));
      isSound = true;
      return reply;
    } catch (error) {
      isSound = !isLost(error) && (await rollBack(client));
      throw error;
    } finally {
      client.release(!isSound);
    }
  }

  /** Runs `work`, again after a lost connection, until it succeeds or the time is over. @throws StoreError */
  async retry<Reply>(work: () => Promise<Reply>): Promise<Reply> {
    const endMs = performance.now() + this.reconnectMs;
    for (let failures = 1; ; failures++) {
      try {
        return await work();
      } catch (error) {
        if (!isLost(error) || performance.now() >= endMs) throw toStoreError(error, this.place);
      }
      await delay(retryDelayMs(failures));
    }
  }

  /** Asks the server what became of a transaction whose commit was not answered. */
  async findOutcome(transactionId: string): Promise<'committed' | 'aborted' | 'unknown'> {
    const endMs = performance.now() + this.reconnectMs;
    for (let failures = 1; performance.now() < endMs; failures++) {
      try {
        const [row] = await this.use((transaction) =>
          transaction.query('SELECT pg_xact_status($1::xid8) AS status', [transactionId]),
        );
        const status = row?.['status'];
        if (status === 'committed' || status === 'aborted') return status;
        if (status === null) return 'unknown';
      } catch (error) {
        if (!isLost(error)) throw error;
      }
      await delay(retryDelayMs(failures));
    }
    return 'unknown';
  }

  async close(): Promise<void> {
    // Idle connections do not keep the process alive, but their farewell should.
    const alive = setInterval(() => undefined, 60_000);
    try {
      await this.#pool.end();
    } finally {
      clearInterval(alive);
    }
  }
}

/** Returns how long to wait for the server after the given number of failures in a row. */
export function retryDelayMs(failures: number): number {
  return backOffMs(failures, { firstMs: 20, longestMs: 500 });
}

async function rollBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false; // it broke; the pool drops it, and the server rolls back by itself
  }
}
