// A server over a SQLite file, in a process of its own. Argument: the path of the file.
import { startServer } from '@agent-lightning/server';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

const store = await openSqliteStore({ path: process.argv[2]!, durability: 'normal' });
const server = await startServer({ store, port: 0 });
process.on('message', () => process.send!({ rssBytes: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit(0));
process.send!({ url: server.url, key: server.adminKey });
