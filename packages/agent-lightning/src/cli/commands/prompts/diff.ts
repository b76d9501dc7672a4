import type { Command } from 'commander';
import { createTwoFilesPatch } from 'diff';
import { findVersion, readHistory } from '../../../promoted/prompt-place.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { readWholeNumber } from '../../read-number.ts';
import { addPlaceArgument, findNamedPlace, type PlaceOptions } from './place-options.ts';

interface DiffOptions extends PlaceOptions {
  readonly promoted?: number;
  readonly against?: number;
}

/** Adds `prompts diff`. */
export function addDiffPromptsCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'diff',
    summary: 'show what a promoted version changes',
    examples: [
      ['agent-lightning prompts diff', 'the version that is served from ./prompts, against the texts of the code'],
      ['agent-lightning prompts diff --promoted 3 --against 2', 'one version against another'],
    ],
  })
    .option('--promoted <number>', 'the version (default: the one that is served)', readWholeNumber(1))
    .option('--against <number>', 'the version before; 0 for the texts of the code', readWholeNumber(0), 0);
  addPlaceArgument(command);
  runAs<DiffOptions>(command, async (invocation) => {
    const { promoted: number, against = 0 } = invocation.options;
    const history = await readHistory(findNamedPlace(invocation, invocation.arguments[0]!));
    const version = findVersion(history, number);
    const before = against === 0 ? version.before : findVersion(history, against).texts;
    const names = [...new Set([...Object.keys(before), ...Object.keys(version.texts)])];
    const changed = names.filter((name) => before[name] !== version.texts[name]);
    const patches = changed.map((name) =>
      createTwoFilesPatch(
        `${name} (${against === 0 ? 'code' : `version ${against}`})`,
        `${name} (version ${version.version})`,
        endLine(before[name]),
        endLine(version.texts[name]),
        undefined,
        undefined,
        { context: 3, headerOptions: { includeIndex: false, includeUnderline: false, includeFileHeaders: true } },
      ),
    );
    return {
      text: patches.join('\n').trimEnd() || 'Nothing is changed.',
      json: {
        version: version.version,
        against,
        changed: Object.fromEntries(
          changed.map((name) => [name, { before: before[name] ?? null, after: version.texts[name] ?? null }]),
        ),
      },
    };
  });
}

function endLine(text: string | undefined): string {
  return text === undefined || text === '' ? '' : `${text}\n`;
}
