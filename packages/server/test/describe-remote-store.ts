import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { connectStore } from '@agent-lightning/store';
import type { LightningStore } from '@agent-lightning/core';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { describeStore, startPostgres, type PostgresServer, type StoreSuiteOptions } from '@agent-lightning/testing';
import { afterAll, beforeAll } from 'vitest';
import { startServer } from '../src/index.ts';

/** A store, a server over it and a client of that, opened together; `close` of the client closes all three. */
export async function openServed(store: LightningStore): Promise<LightningStore> {
  const server = await startServer({ store, port: 0 });
  const client = connectStore({ url: server.url, ...(server.adminKey === undefined ? {} : { key: server.adminKey }) });
  const close = client.close.bind(client);
  client.close = async () => {
    await close();
    await server.close();
    await store.close();
  };
  return client;
}

/** Declares the contract of stores for a client over HTTP, with a SQLite file behind the server. */
export function describeRemoteStore(runs: number): void {
  describeServed(
    'SQLite',
    async (suite) => {
      const folder = mkdtempSync(join(tmpdir(), 'server-'));
      const path = join(folder, 'store.db');
      return {
        open: () => openSqliteStore({ ...suite, path, durability: 'normal', thread: false }),
        dispose: async () => rmSync(folder, { recursive: true }),
      };
    },
    runs,
  );
}

/** Declares the contract for a client over HTTP, with a schema of its own of a PostgreSQL server behind the server. */
export function describeRemotePostgresStore(runs: number): void {
  let postgres: PostgresServer;
  beforeAll(async () => {
    postgres = await startPostgres({ fsync: false });
  });
  afterAll(() => postgres.stop());
  describeServed(
    'PostgreSQL',
    async (suite) => {
      const schema = `served_${randomUUID().replaceAll('-', '')}`;
      const options = { ...suite, connection: postgres.url, schema, maxConnections: 4 };
      return { open: () => openPostgresStore(options), dispose: async () => undefined };
    },
    runs,
  );
}

interface ServedPlace {
  /** Opens the same data, as often as it is asked. */
  readonly open: () => Promise<LightningStore>;
  readonly dispose: () => Promise<void>;
}

function describeServed(
  database: string,
  findPlace: (suite: StoreSuiteOptions) => Promise<ServedPlace>,
  runs: number,
): void {
  describeStore(
    `a store at a server over HTTP, with ${database} behind it`,
    async (suite) => {
      const place = await findPlace(suite);
      const open = async (): Promise<LightningStore> => openServed(await place.open());
      let store = await open();
      return {
        store,
        reopen: async () => {
          await store.close();
          return (store = await open());
        },
        openPeer: open,
        dispose: place.dispose,
      };
    },
    { runs },
  );
}
