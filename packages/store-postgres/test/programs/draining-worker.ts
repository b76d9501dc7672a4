// Another process on the same schema: claims and completes until nothing is queued, and prints the ids of what it claimed.
import { openPostgresStore } from '../../src/index.ts';

const [connection = '', schema = '', workerId = ''] = process.argv.slice(2);
const store = await openPostgresStore({ connection, schema, maxConnections: 3 });
await Promise.all(
  Array.from({ length: 16 }, async () => {
    for (;;) {
      const [claim] = await store.claim({ workerId });
      if (claim === undefined) return;
      process.stdout.write(`${claim.rollout.rolloutId}\n`);
      await store.complete(claim.lease);
    }
  }),
);
await store.close();
