import { describePostgresStore } from './describe-postgres-store.ts';

describePostgresStore(100);
