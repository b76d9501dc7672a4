import type { Command } from 'commander';
import {
  findVersion,
  listServed,
  listServedBefore,
  readHistory,
  serveVersion,
  type PromotedVersion,
  type PromptHistory,
  type PromptPlace,
} from '../../../promoted/prompt-place.ts';
import { lockPlace } from '../../../promoted/lock-place.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { readWholeNumber } from '../../read-number.ts';
import { addPlaceArgument, findNamedPlace, showPlace, type PlaceOptions } from './place-options.ts';

interface RollbackOptions extends PlaceOptions {
  readonly toVersion?: number;
}

/** Adds `prompts rollback`. */
export function addRollbackPromptsCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'rollback',
    summary: 'serve an earlier version again',
    details: 'No version is deleted: the one that is left can be served again.',
    examples: [
      ['agent-lightning prompts rollback', 'the version that was served before, from ./prompts'],
      ['agent-lightning prompts rollback --to-version 0', 'none: every text is again as it stands in the code'],
    ],
  }).option(
    '--to-version <number>',
    'the version to serve; 0 for none (default: the one served before)',
    readWholeNumber(0),
  );
  addPlaceArgument(command);
  runAs<RollbackOptions>(command, async (invocation) => {
    const [name] = invocation.arguments as [string];
    const place = findNamedPlace(invocation, name);
    const { served, wanted, version, files } = await lockPlace(place, invocation.terminal.environment, () =>
      rollBack(place, invocation.options.toVersion),
    );
    const shown = showPlace(place, name);
    const said = version === undefined ? 'No version is served any more' : `Version ${wanted} is served`;
    return {
      text: `${said} from ${shown}${served === undefined ? '' : `; it was ${served}`}. Apps follow when they start next.`,
      json: { version: version?.version ?? null, before: served ?? null, place: shown, files },
    };
  });
}

async function rollBack(
  place: PromptPlace,
  named: number | undefined,
): Promise<{
  readonly served: number | undefined;
  readonly wanted: number;
  readonly version: PromotedVersion | undefined;
  readonly files: readonly string[];
}> {
  const history = await readHistory(place);
  const { wanted, servedBefore } = chooseVersion(history, named);
  const version = wanted === 0 ? undefined : findVersion(history, wanted);
  const { files } = await serveVersion(place, history, version, servedBefore);
  return { served: history.current, wanted, version, files };
}

/** Chooses the version of a rollback: the one that is named, else the one that was served before; 0 is none. */
function chooseVersion(
  history: PromptHistory,
  named: number | undefined,
): { readonly wanted: number; readonly servedBefore: readonly number[] } {
  if (named !== undefined) return { wanted: named, servedBefore: named === 0 ? [] : listServed(history) };
  findVersion(history, undefined); // refuses where none is served
  const before = listServedBefore(history);
  return { wanted: before.at(-1) ?? 0, servedBefore: before.slice(0, -1) };
}
