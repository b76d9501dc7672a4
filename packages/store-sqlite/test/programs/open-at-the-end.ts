// Waits for what nothing else keeps this process alive for, and ends without closing its store.
import { openSqliteStore } from '../../src/index.ts';

const store = await openSqliteStore({ path: process.argv[2] ?? '' });
await store.waitForWork({}, { timeoutMs: 1 });
const [rollout] = await store.enqueue([{ rolloutId: 'a', input: 1 }]);
process.stdout.write(`${rollout?.status}\n`);
