import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { ConfigurationError } from '@agent-lightning/core';
import { promptKit } from '@agent-lightning/tracing';
import { findVersion, readHistory } from '../../../promoted/prompt-place.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { readWholeNumber } from '../../read-number.ts';
import { addPlaceArgument, findNamedPlace, type PlaceOptions } from './place-options.ts';

interface ExportOptions extends PlaceOptions {
  readonly output: string;
  readonly promoted?: number;
}

/** Adds `prompts export`. */
export function addExportPromptsCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'export',
    summary: 'write a promoted version as files, to paste into the code or into other tools',
    details: 'Each prompt is a file of Markdown with its name and score on top; prompts.json has all texts by name.',
    examples: [['agent-lightning prompts export --output texts', 'the version that is served from ./prompts']],
  })
    .requiredOption('--output <directory>', 'the new directory')
    .option('--promoted <number>', 'the version (default: the one that is served)', readWholeNumber(1));
  addPlaceArgument(command);
  runAs<ExportOptions>(command, async (invocation) => {
    const { options, terminal } = invocation;
    const output = resolve(terminal.directory, options.output);
    if (existsSync(output))
      throw new ConfigurationError(`--output ${output} is there already; give a directory that does not exist`, {
        code: 'option-invalid',
      });
    const history = await readHistory(findNamedPlace(invocation, invocation.arguments[0]!));
    const version = findVersion(history, options.promoted);
    const files = await promptKit.writePromptFiles(output, version.texts, version);
    await writeFile(join(output, 'prompts.json'), `${JSON.stringify(version.texts, undefined, 2)}\n`);
    return {
      text: `${files.length} prompts of version ${version.version} are in ${output}`,
      json: { version: version.version, output, files: [...files, 'prompts.json'] },
    };
  });
}
