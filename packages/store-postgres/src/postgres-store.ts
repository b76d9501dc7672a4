import { check, ConfigurationError } from '@agent-lightning/core';
import { RecordStore, storeOptionNames, type StoreOptions } from '@agent-lightning/store';
import type { ClientConfig } from 'pg';
import { Connections, type ConnectionsOptions } from './connections.ts';
import { PostgresDatabase } from './postgres-database.ts';
import { readStoreVersion } from './schema.ts';
import { ServerClock } from './server-clock.ts';

export interface PostgresStoreOptions extends StoreOptions {
  /** A URL such as `postgres://user:password@host:5432/database`, or pg's own options of one client. */
  readonly connection: string | ClientConfig;
  /** The schema that holds this store's tables; created when it does not exist. @default 'agent_lightning' */
  readonly schema?: string;
  /** The most connections that this process holds, at least 3: one listens, the others write and read. @default 8 */
  readonly maxConnections?: number;
  /** The time for which a call goes on trying when the server cannot be reached; then it rejects with `store-unavailable`, retryable. @default 5_000 */
  readonly reconnectMs?: number;
}

/** Keeps a store in one schema of a PostgreSQL database, for processes on many machines. Make it with `openPostgresStore`. */
export class PostgresStore extends RecordStore {
  readonly schema: string;
  readonly #database: PostgresDatabase;

  /** @internal */
  constructor(database: PostgresDatabase, schema: string, options: StoreOptions) {
    super(database, { ...options, now: options.now ?? (() => database.clock.now()) });
    this.schema = schema;
    this.#database = database;
  }

  /** Reads every table and returns what records say against each other; nothing for sound data. */
  checkIntegrity(): Promise<readonly string[]> {
    return this.#database.checkIntegrity();
  }
}

/**
 * Connects, and creates the schema or migrates it to this version; any number of processes may do so at once.
 * @throws StoreError `store-schema` for a newer schema or another program's, `store-unavailable`, `store-readonly`
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<PostgresStore> {
  const resolved = resolveOptions(options);
  const database = await PostgresDatabase.open(resolved);
  try {
    return new PostgresStore(database, resolved.schema, options);
  } catch (error) {
    await database.close();
    throw error;
  }
}

/**
 * Reads the version of a store's schema, and creates and changes nothing; undefined where there is no store.
 * @throws StoreError `store-schema` for a newer schema or another program's, `store-unavailable`
 */
export async function readPostgresSchemaVersion(
  options: Pick<PostgresStoreOptions, 'connection' | 'schema' | 'reconnectMs'>,
): Promise<number | undefined> {
  const resolved = resolveOptions(options);
  const connections = new Connections(resolved, new ServerClock());
  try {
    return await connections.retry(async () => {
      const client = await connections.connect();
      return await readStoreVersion(client, resolved.schema).finally(() => client.end());
    });
  } finally {
    await connections.close();
  }
}

const optionNames: Readonly<Record<keyof PostgresStoreOptions, true>> = {
  ...storeOptionNames,
  connection: true,
  schema: true,
  maxConnections: true,
  reconnectMs: true,
};

function resolveOptions(options: PostgresStoreOptions): ConnectionsOptions {
  check.knownOptions('openPostgresStore', options, optionNames);
  const { connection, schema = 'agent_lightning', maxConnections = 8, reconnectMs = 5_000 } = options;
  if (typeof connection === 'string' ? !/^postgres(ql)?:\/\//.test(connection) : typeof connection !== 'object')
    throw invalid('connection must be a postgres:// URL, or the options of a pg client');
  if (typeof connection === 'string' && new URL(connection).searchParams.has('options'))
    throw invalid(
      'connection must not have `options` in its URL, where they would hide the schema; give an object with `options`',
    );
  if (!/^[a-z_][a-z0-9_]{0,40}$/.test(schema) || schema.startsWith('pg_'))
    throw invalid(
      `schema must be 1 to 41 characters of [a-z0-9_] that do not begin with a digit or pg_; got ${JSON.stringify(schema)}`,
    );
  check.wholeNumber('maxConnections', maxConnections, 3, 1_000);
  check.wholeNumber('reconnectMs', reconnectMs, 0, 600_000);
  return {
    connection: typeof connection === 'string' ? { connectionString: connection } : connection,
    schema,
    maxConnections,
    reconnectMs,
  };
}

function invalid(message: string): ConfigurationError {
  return new ConfigurationError(message, { code: 'option-invalid' });
}
