import type { Command } from 'commander';
import { hasBackend, openTrainer, readSource } from '../../config/project.ts';
import { defineCommand, runAs } from '../define-command.ts';
import { exitCodes } from '../exit-codes.ts';
import { addProjectOptions, loadProject, type ProjectOptions } from '../project-options.ts';
import { readWholeNumber } from '../read-number.ts';

interface DevCommandOptions extends ProjectOptions {
  readonly tasks: number;
  readonly samples: number;
  readonly ownModel?: boolean;
}

/** Adds `dev`, the dry run. */
export function addDevCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'dev',
    summary: 'run the agent a few times and say whether it can be trained',
    details:
      'Shows one whole rollout, then says whether rewards differ and which agents called which models, and ends with exit code 3 where something must be corrected. Trains nothing. ' +
      'Without a backend in the config, and with --own-model, the agent asks the model that it asks today.',
    examples: [
      ['agent-lightning dev', 'a dry run on the first 3 tasks, 4 times each'],
      ['agent-lightning dev --own-model --tasks 1 --samples 2', "two runs of one task on the agent's own model"],
    ],
  })
    .option('--tasks <number>', 'how many of the first tasks run', readWholeNumber(1), 3)
    .option('--samples <number>', 'how often each task runs', readWholeNumber(2), 4)
    .option('--own-model', 'let the agent ask the model that it asks today; needs no backend');
  addProjectOptions(command);
  runAs<DevCommandOptions>(command, async (invocation) => {
    const { options, terminal, logger } = invocation;
    if (options.ownModel === true && options.model !== undefined)
      invocation.refuse('--own-model leaves the backend aside, and --model is for the backend; give one of them');
    const { config, overrides } = await loadProject(invocation);
    const isOwn = options.ownModel === true || !hasBackend(config);
    if (isOwn && options.model !== undefined)
      invocation.refuse(
        `--model ${options.model} is for the backend, and the config has none: the agent asks its own model; leave it out`,
      );
    if (isOwn) logger.info('the agent asks its own model: no backend, no tokens, nothing that a training would change');
    const tasks = (await readSource('train', config.train)).slice(0, options.tasks);
    await using opened = await openTrainer(config, {
      overrides,
      logger,
      signal: terminal.interruption(),
      hasBackend: !isOwn,
    });
    const report = await opened.trainer.dev({ tasks, samples: options.samples });
    return {
      json: { ...report, models: opened.hasPolicy ? 'policy' : 'own' },
      exitCode: report.ok ? exitCodes.ok : exitCodes.no,
    };
  });
}
