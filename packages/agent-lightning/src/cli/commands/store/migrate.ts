import { DatabaseSync } from 'node:sqlite';
import type { Command } from 'commander';
import { withStore, type StorePlace } from '../../../stored/open-store.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from './store-options.ts';

/** Adds `store migrate`. */
export function addMigrateCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'migrate',
    summary: 'bring a store to the schema of this version',
    details:
      'Every program that opens an older store does this too; the command does it at a time of your choice. A newer store, or the database of another program, is refused.',
    examples: [['agent-lightning store migrate runs/a', 'migrate the store of a run']],
  });
  addStoreArgument(command);
  runAs<StoreOptions>(command, async (invocation) => {
    const place = findNamedStore(invocation);
    const before = readSqliteVersion(place);
    await withStore(place, async () => undefined);
    const after = readSqliteVersion(place);
    const versions = before === undefined ? 'the schema is that of this version' : describe(before, after);
    return { text: versions, json: { ...(before !== undefined && { before, after, migrated: before !== after }) } };
  });
}

function describe(before: number, after: number | undefined): string {
  return before === after
    ? `the schema has version ${after} already`
    : `the schema went from version ${before} to ${after}`;
}

/** Returns the version of a file of SQLite; undefined for PostgreSQL, which does not tell it from outside. */
function readSqliteVersion(place: StorePlace): number | undefined {
  if (place.kind !== 'sqlite') return undefined;
  const database = new DatabaseSync(place.path, { readOnly: true });
  try {
    return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
  } catch {
    return undefined; // no database: opening it as a store says so
  } finally {
    database.close();
  }
}
