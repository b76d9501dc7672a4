import type { Command } from 'commander';
import { readSchemaVersion, withStore } from '../../../stored/open-store.ts';
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
    const before = await readSchemaVersion(place);
    await withStore(place, async () => undefined);
    const after = await readSchemaVersion(place);
    return { text: describe(before, after), json: { before, after, migrated: before !== after } };
  });
}

function describe(before: number | undefined, after: number | undefined): string {
  return before === after
    ? `the schema has version ${after} already`
    : `the schema went from version ${before} to ${after}`;
}
