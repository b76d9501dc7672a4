import { describeStore, startPostgres, type PostgresServer } from '@agent-lightning/testing';
import { afterAll, beforeAll } from 'vitest';
import { openPostgresStore, type PostgresStore, type PostgresStoreOptions } from '../src/index.ts';
import { dropSchema, freshSchema } from './schemas.ts';

/** Runs the suite of every store on a PostgreSQL of its own, with so many random sequences of calls. */
export function describePostgresStore(runs: number): void {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await startPostgres({ fsync: false });
  });
  afterAll(() => server.stop());

  describeStore(
    'PostgresStore',
    async (suite) => {
      const options: PostgresStoreOptions = {
        ...suite,
        connection: server.url,
        schema: freshSchema(),
        maxConnections: 4,
      };
      const open = (): Promise<PostgresStore> => openPostgresStore(options);
      let store = await open();
      return {
        store,
        reopen: async () => {
          await store.close();
          return (store = await open());
        },
        openPeer: open,
        dispose: () => dropSchema(server.url, store.schema),
      };
    },
    { runs },
  );
}
