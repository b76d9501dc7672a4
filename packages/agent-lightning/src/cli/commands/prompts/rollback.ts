import type { Command } from 'commander';
import { findVersion, readHistory, serveVersion } from '../../../promoted/prompt-place.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { readWholeNumber } from '../../read-number.ts';
import { addPlaceArgument, findNamedPlace, type PlaceOptions } from './place-options.ts';

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
      ['agent-lightning prompts rollback', 'the version before the one that is served, from ./prompts'],
      ['agent-lightning prompts rollback --to-version 0', 'none: every text is again as it stands in the code'],
    ],
  }).option('--to-version <number>', 'the version to serve; 0 for none (default: the one before)', readWholeNumber(0));
  addPlaceArgument(command);
  runAs<RollbackOptions>(command, async (invocation) => {
    const [name] = invocation.arguments as [string];
    const place = findNamedPlace(invocation, name);
    const history = await readHistory(place);
    const served = history.current;
    const wanted = invocation.options.toVersion ?? findVersion(history, undefined).version - 1;
    const version = wanted === 0 ? undefined : findVersion(history, wanted);
    const files = await serveVersion(place, history, version);
    const said = version === undefined ? 'No version is served any more' : `Version ${wanted} is served`;
    return {
      text: `${said} from ${name}${served === undefined ? '' : `; it was ${served}`}. Apps follow when they start next.`,
      json: { version: version?.version ?? null, before: served ?? null, place: name, files },
    };
  });
}
