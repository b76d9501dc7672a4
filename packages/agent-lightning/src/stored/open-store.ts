import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { check, ConfigurationError, type LightningStore } from '@agent-lightning/core';
import { connectStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

/** A store that can be checked as a whole. */
export interface CheckableStore extends LightningStore {
  checkIntegrity(): Promise<readonly string[]>;
}

/** A place where a store is: a file of SQLite, a schema of PostgreSQL, or a server. */
export type StorePlace =
  | { readonly kind: 'sqlite'; readonly path: string }
  | { readonly kind: 'postgres'; readonly connection: string; readonly schema: string | undefined }
  | { readonly kind: 'server'; readonly url: string; readonly key?: string };

/** Holds where a command runs, for names of stores. */
export interface CommandPlace {
  /** The directory that relative paths are in. */
  readonly directory: string;
  /** Has the key for a server. @default none */
  readonly environment?: NodeJS.ProcessEnv;
}

/** Names a store without the password of its URL. */
export function describePlace(place: StorePlace): string {
  if (place.kind === 'sqlite') return place.path;
  if (place.kind === 'server') return `the server at ${URL.canParse(place.url) ? new URL(place.url).host : place.url}`;
  if (!URL.canParse(place.connection)) return 'a PostgreSQL store';
  const { host, pathname } = new URL(place.connection);
  return `postgres://${host}${pathname}`;
}

/**
 * Finds a store by what a user names: a run directory, a file of SQLite, a `postgres://` URL, or the `http://` address of a server.
 * @throws {ConfigurationError} `option-invalid` where there is none
 */
export function findStore(
  name: string,
  { directory, environment = {} }: CommandPlace,
  schema: string | undefined,
): StorePlace {
  if (/^postgres(ql)?:\/\//.test(name)) return { kind: 'postgres', connection: name, schema };
  if (schema === undefined && /^https?:\/\//.test(name))
    return { kind: 'server', url: name, ...findKey(name, environment) };
  if (schema !== undefined)
    throw new ConfigurationError(`--schema ${schema}: ${name} is no PostgreSQL store, which would have a schema`, {
      code: 'option-invalid',
    });
  const given = resolve(directory, name);
  const path = existsSync(given) && statSync(given).isDirectory() ? join(given, 'store.sqlite') : given;
  if (existsSync(path)) return { kind: 'sqlite', path };
  throw new ConfigurationError(
    `there is no store ${path}; give a run directory, a file of SQLite, or a URL that begins with postgres:// or http://`,
    { code: 'option-invalid' },
  );
}

/** The variable of the environment that holds the key for a server, unless its address has one. */
export const keyVariable = 'AGENT_LIGHTNING_KEY';

/** Holds what a command asks of a store beside its place. */
export interface OpenStoreOptions {
  readonly keepEndedMs?: number;
}

/**
 * Opens a store without watching over its leases: those are of the processes that work with it. It is migrated where it is older.
 * @throws {ConfigurationError} `option-invalid` for a schema of PostgreSQL that has no store
 * @throws {ConfigurationError} `option-invalid` for `keepEndedMs` where a server has the store, which keeps what it was told to
 */
export async function openStore(place: StorePlace, options: OpenStoreOptions = {}): Promise<CheckableStore> {
  if (place.kind === 'server') {
    if (options.keepEndedMs !== undefined)
      throw check.optionInvalid(
        'keepEndedMs',
        options.keepEndedMs,
        'left out for a store at a server; run the command where the store is',
      );
    const { url, key } = place;
    return connectStore({ url, ...(key !== undefined && { key }) });
  }
  if (place.kind === 'sqlite') return await openSqliteStore({ ...options, path: place.path, watchdogIntervalMs: 0 });
  await readSchemaVersion(place);
  // Loaded when it is needed: pg takes time to load.
  const { openPostgresStore } = await import('@agent-lightning/store-postgres');
  const { connection, schema } = place;
  return await openPostgresStore({
    ...options,
    connection,
    watchdogIntervalMs: 0,
    ...(schema !== undefined && { schema }),
  });
}

/**
 * Reads the version of a store's schema; undefined for a file that is no database, which opening it as a store says.
 * @throws {ConfigurationError} `option-invalid` for a schema of PostgreSQL that has no store, and for a server's store
 */
export async function readSchemaVersion(place: StorePlace): Promise<number | undefined> {
  if (place.kind === 'server')
    throw new ConfigurationError(
      `${describePlace(place)} migrates its own store when it starts; name a file or a database`,
      {
        code: 'option-invalid',
      },
    );
  if (place.kind === 'sqlite') return readSqliteVersion(place.path);
  const { readPostgresSchemaVersion } = await import('@agent-lightning/store-postgres');
  const { connection, schema = 'agent_lightning' } = place;
  const version = await readPostgresSchemaVersion({ connection, schema });
  if (version !== undefined) return version;
  throw new ConfigurationError(
    `there is no store in schema "${schema}" of ${describePlace(place)}; name another with --schema, or let a run make it`,
    { code: 'option-invalid' },
  );
}

function readSqliteVersion(path: string): number | undefined {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  } catch {
    return undefined; // no database: opening it as a store says so
  } finally {
    database.close();
  }
}

/** Returns the key of the environment where the address of a server has none. */
export function findKey(url: string, environment: NodeJS.ProcessEnv): { readonly key?: string } {
  const key = environment[keyVariable];
  const hasOwn = URL.canParse(url) && new URL(url).username + new URL(url).password !== '';
  return hasOwn || key === undefined || key === '' ? {} : { key };
}

/** Does some work with a store, and closes it. */
export async function withStore<Result>(
  place: StorePlace,
  work: (store: CheckableStore) => Promise<Result>,
): Promise<Result> {
  const store = await openStore(place);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}
