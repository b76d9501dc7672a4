// Another process on the same file: completes one rollout when there is one.
import { openSqliteStore } from '../../src/index.ts';

const store = await openSqliteStore({ path: process.argv[2] ?? '' });
const [claim] = await store.claim({ workerId: 'other-process' });
process.stdout.write(`${claim === undefined ? 'nothing to do' : (await store.complete(claim.lease)).status}\n`);
await store.close();
