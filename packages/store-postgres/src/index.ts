// the store for many machines
export {
  openPostgresStore,
  readPostgresSchemaVersion,
  type PostgresStore,
  type PostgresStoreOptions,
} from './postgres-store.ts';
