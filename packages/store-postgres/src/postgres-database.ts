import { randomUUID } from 'node:crypto';
import type { Awaitable, RecordDatabase, RecordReader, RecordWriter } from '@agent-lightning/store';
import { ChangeListener } from './change-listener.ts';
import { Connections, type ConnectionsOptions } from './connections.ts';
import { findContradictions } from './integrity.ts';
import { PostgresReader } from './postgres-reader.ts';
import { migrate } from './schema.ts';
import { ServerClock } from './server-clock.ts';
import { WriteBatches } from './write-batches.ts';

const writesPerCommit = 256;

/** Uses one schema on a server: a transaction that writes at a time from this process, several that read, and a listener. */
export class PostgresDatabase implements RecordDatabase {
  readonly clock: ServerClock = new ServerClock();
  readonly #connections: Connections;
  readonly #listener: ChangeListener;
  readonly #writes: WriteBatches;

  private constructor(options: ConnectionsOptions) {
    const channel = `agent_lightning_${options.schema}`.slice(0, 63);
    const self = randomUUID();
    const maxTransactions = Math.max(1, Math.floor(options.maxConnections / 3));
    this.#connections = new Connections(options, this.clock);
    this.#listener = new ChangeListener(this.#connections, channel, self);
    this.#writes = new WriteBatches(this.#connections, {
      maxJobs: writesPerCommit,
      maxTransactions,
      channel,
      sender: self,
    });
  }

  /** Connects and migrates. @throws StoreError */
  static async open(options: ConnectionsOptions): Promise<PostgresDatabase> {
    const database = new PostgresDatabase(options);
    const connections = database.#connections;
    try {
      await connections.retry(async () => {
        const client = await connections.connect();
        try {
          await migrate(client, options.schema);
        } finally {
          await client.end();
        }
        await database.#listener.start();
      });
    } catch (error) {
      await connections.close();
      throw error;
    }
    return database;
  }

  read<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply> {
    return this.#connections.retry(() =>
      this.#connections.use(async (transaction) => {
        transaction.send('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        const reply = await work(new PostgresReader(transaction));
        transaction.send('COMMIT');
        await transaction.settle();
        return reply;
      }),
    );
  }

  write<Reply>(work: (records: RecordWriter) => Awaitable<Reply>): Promise<Reply> {
    return this.#writes.write(work);
  }

  watch(listener: () => void): () => void {
    return this.#listener.add(listener);
  }

  /** Returns what records say against each other; nothing for sound data. */
  checkIntegrity(): Promise<readonly string[]> {
    return this.#connections.retry(() => this.#connections.use((transaction) => findContradictions(transaction)));
  }

  async close(): Promise<void> {
    await this.#writes.idle();
    await this.#listener.close();
    await this.#connections.close();
  }
}
