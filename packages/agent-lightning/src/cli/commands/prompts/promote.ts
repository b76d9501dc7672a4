import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import {
  listServed,
  nextNumber,
  readHistory,
  serveVersion,
  type PromotedVersion,
  type PromptHistory,
  type PromptPlace,
  type ServedVersion,
} from '../../../promoted/prompt-place.ts';
import { lockPlace } from '../../../promoted/lock-place.ts';
import { readRunPrompts, refuseControl } from '../../../promoted/run-prompts.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { showScores } from './list.ts';
import { addToOption, findNamedPlace, showPlace, type PlaceOptions } from './place-options.ts';

interface PromoteOptions extends PlaceOptions {
  readonly to: string;
}

/** Adds `prompts promote`. */
export function addPromotePromptsCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'promote',
    summary: 'make the best prompts of a run those that are served',
    details:
      'An app serves them with withLightning(agent, { prompts: await loadPrompts(PLACE) }). In a directory they are files that people can read, too: commit it with the app.',
    examples: [
      ['agent-lightning prompts promote runs/a', 'into the directory ./prompts'],
      ['agent-lightning prompts promote runs/a --to postgres://host/db', 'into a store that several machines share'],
    ],
  }).addArgument(new Argument('<run>', 'the run directory'));
  addToOption(command);
  runAs<PromoteOptions>(command, async (invocation) => {
    const { options, terminal, logger } = invocation;
    const run = resolve(terminal.directory, invocation.arguments[0]!);
    const { candidates: _, ...prompts } = await readRunPrompts(run);
    await refuseControl(run);
    const place = findNamedPlace(invocation, options.to);
    if (JSON.stringify(prompts.texts) === JSON.stringify(prompts.before))
      logger.warn('the run found no better prompts: these are the texts as they stand in the code');
    const { number, files } = await lockPlace(place, terminal.environment, () =>
      promote(place, prompts, invocation.arguments[0]!),
    );
    const shown = showPlace(place, options.to);
    return {
      text: `Version ${number} is served from ${shown}: ${showScores(prompts.score, prompts.scoreBefore)}, of ${Object.keys(prompts.texts).join(', ')}. Apps serve it when they start next.`,
      json: { version: number, place: shown, files, names: Object.keys(prompts.texts) },
    };
  });
}

async function promote(
  place: PromptPlace,
  prompts: Omit<PromotedVersion, 'version' | 'promotedAt' | 'run'>,
  run: string,
): Promise<ServedVersion> {
  const isNew = place.kind === 'directory' && !existsSync(place.path);
  const history: PromptHistory = isNew ? { format: 1, versions: [], files: [] } : await readHistory(place);
  const promotedAt = new Date().toISOString();
  const version: PromotedVersion = { ...prompts, version: nextNumber(history.versions), promotedAt, run };
  return await serveVersion(place, history, version, listServed(history));
}
