import { Argument, type Command } from 'commander';
import { findPromptPlace, type PromptPlace } from '../../../promoted/prompt-place.ts';
import type { Invocation } from '../../define-command.ts';

/** The options of every command on promoted prompts. */
export interface PlaceOptions {
  readonly schema?: string;
}

const place = 'a directory, a file of SQLite, or a postgres:// URL';

/** Adds the argument that names a place of promoted prompts. */
export function addPlaceArgument(command: Command): Command {
  return addSchemaOption(command.addArgument(new Argument('[place]', place).default('prompts')));
}

/** Adds the option that names the place to promote to. */
export function addToOption(command: Command): Command {
  return addSchemaOption(command.option('--to <place>', place, 'prompts'));
}

function addSchemaOption(command: Command): Command {
  return command.option('--schema <name>', 'the schema of a PostgreSQL store (default: agent_lightning)');
}

/** Returns the place that a command line names. */
export function findNamedPlace(
  { options, terminal }: Pick<Invocation<PlaceOptions>, 'options' | 'terminal'>,
  name: string,
): PromptPlace {
  return findPromptPlace(name, terminal.directory, options.schema);
}
