import { describeRemotePostgresStore, describeRemoteStore } from './describe-remote-store.ts';

describeRemoteStore(100);
describeRemotePostgresStore(40);
