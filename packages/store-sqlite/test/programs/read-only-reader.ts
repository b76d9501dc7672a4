// Reads a store whose file it may not write. As root it first becomes nobody, for whom permissions count.
import { LightningError } from '@agent-lightning/core';
import { openSqliteStore } from '../../src/index.ts';

const nobody = 65_534;
if (process.getuid?.() === 0) {
  process.setgid?.(nobody);
  process.setuid?.(nobody);
}
const store = await openSqliteStore({ path: process.argv[2] ?? '' });
const rollout = await store.getRollout('a');
const write = await store.enqueue([{ input: 1 }]).then(
  () => 'written',
  (error: unknown) => (LightningError.isInstance(error) ? error.code : String(error)),
);
process.stdout.write(`${JSON.stringify({ status: rollout?.status, write })}\n`);
await store.close();
