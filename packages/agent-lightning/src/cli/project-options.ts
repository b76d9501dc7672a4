import type { Command } from 'commander';
import type { JsonValue } from '@agent-lightning/core';
import type { LightningConfig } from '../config/define-config.ts';
import { findConfig } from '../config/find-config.ts';
import { loadConfig } from '../config/load-config.ts';
import type { Overrides } from '../config/project.ts';
import type { Invocation } from './define-command.ts';
import { readWholeNumber } from './read-number.ts';

/** The options of commands that work with a config. */
export interface ProjectOptions {
  readonly config?: string;
  readonly algorithm?: string;
  readonly model?: string;
  readonly runners?: number;
  readonly seed?: number;
}

/** Adds the options of commands that work with a config. */
export function addProjectOptions(command: Command): Command {
  return command
    .option('--config <file>', 'the config file (default: lightning.config.ts, .js or .mjs here)')
    .option('--algorithm <name>', 'one of the algorithms that the config has by name')
    .option('--model <model>', 'the model that the function backend of the config gets')
    .option('--runners <number>', 'rollouts that run at once', readWholeNumber(1))
    .option('--seed <number>', 'the seed of the order of tasks and of sampling', readWholeNumber(0));
}

/** Loads the config that a command line names. */
export async function loadProject({
  options: { config: path, algorithm, model, runners, seed },
  terminal,
}: Pick<Invocation<ProjectOptions>, 'options' | 'terminal'>): Promise<{
  readonly config: LightningConfig<JsonValue>;
  readonly overrides: Overrides;
}> {
  const config = await loadConfig(findConfig(terminal.directory, path));
  return {
    config,
    overrides: {
      ...(algorithm !== undefined && { algorithm }),
      ...(model !== undefined && { model }),
      ...(runners !== undefined && { runners }),
      ...(seed !== undefined && { seed }),
    },
  };
}
