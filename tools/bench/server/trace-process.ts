/** Serves an empty store for `measure-traces.ts`, and tells it over IPC how much CPU time it took. */
import { startServer } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

const path = process.argv[2];
const store = path === undefined ? new MemoryStore() : await openSqliteStore({ path });
const server = await startServer({ store, port: 0, open: true });
process.on('message', () => process.send?.({ cpu: process.cpuUsage() }));
process.send?.({ url: server.url });
process.once('disconnect', () => process.exit());
