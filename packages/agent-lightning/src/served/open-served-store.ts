import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { findStore, openStore, type CheckableStore } from '../stored/open-store.ts';

/** Opens the store that a server shares: a file of SQLite, which is made when it is not there, a run directory, or a `postgres://` URL. */
export async function openServedStore(
  name: string,
  directory: string,
  { schema, keepEndedMs }: { readonly schema?: string; readonly keepEndedMs?: number },
): Promise<CheckableStore> {
  if (/^https?:\/\//.test(name))
    throw new ConfigurationError(`serve: ${name} is a server already; name a file of SQLite, or a postgres:// URL`, {
      code: 'option-invalid',
    });
  const keeping = keepEndedMs === undefined ? {} : { keepEndedMs };
  const isPostgres = /^postgres(ql)?:\/\//.test(name);
  const given = resolve(directory, name);
  if (isPostgres || schema !== undefined || existsSync(given))
    return await openStore(findStore(name, { directory }, schema), keeping);
  return await openSqliteStore({ ...keeping, path: given, watchdogIntervalMs: 0 });
}
