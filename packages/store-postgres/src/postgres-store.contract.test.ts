import { describePostgresStore } from '../test/describe-postgres-store.ts';

// A server's round trips make each sequence slow; postgres-store.full.test.ts runs 100.
describePostgresStore(12);
