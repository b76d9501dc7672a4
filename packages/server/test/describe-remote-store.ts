import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { connectStore } from '@agent-lightning/store';
import type { LightningStore } from '@agent-lightning/core';
import { describeStore, type StoreSuiteOptions } from '@agent-lightning/testing';
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
  describeStore(
    'a store at a server over HTTP, with SQLite behind it',
    async (suite: StoreSuiteOptions) => {
      const folder = mkdtempSync(join(tmpdir(), 'server-'));
      const open = async (): Promise<LightningStore> =>
        openServed(
          await openSqliteStore({ ...suite, path: join(folder, 'store.db'), durability: 'normal', thread: false }),
        );
      let store = await open();
      return {
        store,
        reopen: async () => {
          await store.close();
          return (store = await open());
        },
        openPeer: open,
        dispose: async () => rmSync(folder, { recursive: true }),
      };
    },
    { runs },
  );
}
