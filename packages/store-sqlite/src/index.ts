// the durable default store
export { openSqliteStore, type SqliteStore, type SqliteStoreOptions } from './sqlite-store.ts';
