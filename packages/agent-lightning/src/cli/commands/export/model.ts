import { cp, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { ConfigurationError } from '@agent-lightning/core';
import { moveIntoPlace } from '@agent-lightning/platform';
import { defineCommand, runAs } from '../../define-command.ts';

/** Adds `export model`. */
export function addExportModelCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'model',
    summary: 'copy the trained model out of a run directory',
    details:
      'The model is an ordinary directory in the Hugging Face layout (with LoRA: what the backend writes, an adapter), or a folder with one for each policy. A run has it when it has ended.',
    examples: [
      [
        'agent-lightning export model runs/a --output ./my-model',
        'a model for any program that reads such directories',
      ],
    ],
  })
    .addArgument(new Argument('<run>', 'the run directory'))
    .requiredOption('--output <directory>', 'the new directory; it appears whole or not at all');
  runAs<{ readonly output: string }>(command, async ({ arguments: [run], options, terminal }) => {
    const source = join(resolve(terminal.directory, run!), 'model');
    const output = resolve(terminal.directory, options.output);
    if (!existsSync(source)) throw noModel(resolve(terminal.directory, run!));
    if (existsSync(output))
      throw new ConfigurationError(`--output ${output} is there already; give a directory that does not exist`, {
        code: 'option-invalid',
      });
    await copyWhole(source, output);
    const files = await listFiles(output);
    const sizeBytes = files.reduce((sum, file) => sum + file.sizeBytes, 0);
    return {
      text: `${files.length} files, ${(sizeBytes / 1e6).toFixed(1)} MB, are in ${output}`,
      json: { output, files, sizeBytes },
    };
  });
}

function noModel(run: string): ConfigurationError {
  const isRun = existsSync(join(run, 'run.json'));
  return new ConfigurationError(
    isRun
      ? `${run} has no model yet: the run has not ended. Go on with it by agent-lightning train --resume ${run} until it ends`
      : `${run} is no run directory: it has no run.json`,
    { code: 'option-invalid' },
  );
}

async function copyWhole(source: string, output: string): Promise<void> {
  await mkdir(dirname(output), { recursive: true });
  const staging = await mkdtemp(`${output}.partial-`);
  try {
    await cp(source, join(staging, 'model'), { recursive: true, dereference: true });
    await moveIntoPlace(join(staging, 'model'), output);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

interface CopiedFile {
  readonly name: string;
  readonly sizeBytes: number;
}

async function listFiles(directory: string): Promise<readonly CopiedFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return await Promise.all(
    entries
      .filter((entry) => entry.isFile())
      .map(async ({ parentPath, name }) => {
        const path = join(parentPath, name);
        return { name: path.slice(directory.length + 1), sizeBytes: (await stat(path)).size };
      }),
  );
}
