import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeStore } from '@agent-lightning/testing';
import { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './index.ts';

describeIn('SqliteStore in a thread of its own', true, 5);
describeIn("SqliteStore in its caller's thread", false, 40);

function describeIn(name: string, thread: boolean, runs: number): void {
  describeStore(
    name,
    async (suite) => {
      const folder = mkdtempSync(join(tmpdir(), 'store-sqlite-'));
      const options: SqliteStoreOptions = { ...suite, path: join(folder, 'store.db'), durability: 'normal', thread };
      const open = (): Promise<SqliteStore> => openSqliteStore(options);
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
