import type { DatabaseSync, DatabaseSyncOptions } from 'node:sqlite';
import { StoreError } from '@agent-lightning/core';

type Sqlite = ReturnType<typeof process.getBuiltinModule<'node:sqlite'>>;

/** Opens one connection on Node's own SQLite. @throws StoreError `store-unavailable` when this Node has none */
export function connect(path: string, options: DatabaseSyncOptions): DatabaseSync {
  const { DatabaseSync: Database } = loadSqlite();
  return new Database(path, options);
}

let loaded: Sqlite | undefined;

function loadSqlite(): Sqlite {
  loaded ??= withoutSqliteWarning(() => process.getBuiltinModule('node:sqlite'));
  if (loaded === undefined) {
    throw new StoreError(
      `this Node (${process.version}) has no node:sqlite; use Node 22.15 or newer, or another store`,
      { code: 'store-unavailable' },
    );
  }
  return loaded;
}

/** Loads node:sqlite without the warning of Node before 24.15, which says once, at loading, that it is experimental. This function hides that line and lets all other warnings pass. */
function withoutSqliteWarning<Result>(load: () => Result): Result {
  const { emitWarning } = process;
  process.emitWarning = ((warning: string | Error, ...rest: unknown[]): void => {
    const isAboutSqlite = String(warning).includes('SQLite') && rest[0] === 'ExperimentalWarning';
    if (!isAboutSqlite) Reflect.apply(emitWarning, process, [warning, ...rest]);
  }) as typeof process.emitWarning;
  try {
    return load();
  } finally {
    process.emitWarning = emitWarning;
  }
}
