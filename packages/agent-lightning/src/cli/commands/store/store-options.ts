import type { Command } from 'commander';
import { Argument } from 'commander';
import type { Invocation } from '../../define-command.ts';
import { findStore, type StorePlace } from '../../../stored/open-store.ts';

/** The options of every command that opens a store. */
export interface StoreOptions {
  readonly schema?: string;
}

/** Adds the argument that names a store. */
export function addStoreArgument(command: Command): Command {
  return command
    .addArgument(
      new Argument(
        '<store>',
        'a run directory, a file of SQLite, a postgres:// URL, or the http:// address of a server',
      ),
    )
    .option('--schema <name>', 'the schema of a PostgreSQL store (default: agent_lightning)');
}

/** Returns the place of the store that a command line names. */
export function findNamedStore({
  arguments: [name],
  options,
  terminal,
}: Pick<Invocation<StoreOptions>, 'arguments' | 'options' | 'terminal'>): StorePlace {
  return findStore(name!, terminal, options.schema);
}
