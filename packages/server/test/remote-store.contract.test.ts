import { describeRemoteStore } from './describe-remote-store.ts';

// remote-store.full.test.ts runs more, and PostgreSQL behind the server.
describeRemoteStore(5);
