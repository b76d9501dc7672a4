import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { describeVerdict, type TrainingResult } from '@agent-lightning/trainer';
import { openTrainer, readFitOptions } from '../../config/project.ts';
import { findNewestRun } from '../../runs/find-newest-run.ts';
import { defineCommand, runAs, type Outcome } from '../define-command.ts';
import { exitCodes } from '../exit-codes.ts';
import { addProjectOptions, loadProject, type ProjectOptions } from '../project-options.ts';
import { readWholeNumber } from '../read-number.ts';

interface TrainOptions extends ProjectOptions {
  /** True without a value: the newest run. */
  readonly resume?: string | true;
  readonly runDirectory?: string;
  readonly steps?: number;
  readonly epochs?: number;
  readonly validationEvery?: number;
  readonly control?: 'none' | 'shuffled';
}

/** Adds `train`, which trains the agent of the config. */
export function addTrainCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'train',
    summary: 'train the agent of lightning.config.ts',
    details:
      'Writes a run directory with the trained model, the metrics and report.html. Ctrl+C saves and stops; a second Ctrl+C stops at once.',
    examples: [
      ['agent-lightning train --steps 40', 'train for 40 steps'],
      ['agent-lightning train --resume', 'go on with the newest run'],
      ['agent-lightning train --resume runs/a --steps 80', 'go on with a run, to step 80 altogether'],
      [
        'agent-lightning train --model ./my-model --run-directory runs/b',
        'train another model, into a directory of its own',
      ],
      ['agent-lightning train --control shuffled', 'the control experiment: held-out reward must not rise'],
    ],
  })
    .option('--resume [directory]', 'go on with a run; without a directory, with the newest one in runs/')
    .option('--run-directory <directory>', 'where the run is written (default: the config, else runs/ and the time)')
    .addOption(
      new Option('--steps <number>', 'training steps, those before a resume too')
        .argParser(readWholeNumber(1))
        .conflicts('epochs'),
    )
    .option('--epochs <number>', 'passes over the tasks', readWholeNumber(1))
    .option('--validation-every <steps>', 'validate every so many steps; 0: before and after only', readWholeNumber(0))
    .addOption(
      new Option('--control <kind>', 'shuffled: rewards go to other rollouts of their step').choices([
        'none',
        'shuffled',
      ]),
    );
  addProjectOptions(command);
  runAs<TrainOptions>(command, async (invocation) => {
    const { options, terminal, logger } = invocation;
    if (options.resume !== undefined && options.runDirectory !== undefined)
      invocation.refuse('--resume DIRECTORY names the run already; leave --run-directory out');
    const { config, overrides } = await loadProject(invocation);
    const resumed = await findResumed(options.resume, config.runDirectory, terminal.directory);
    const runDirectory = resumed ?? options.runDirectory;
    const { steps, epochs, ...fit } = await readFitOptions(config);
    const length = options.steps ?? options.epochs ?? steps ?? epochs;
    const inEpochs = options.steps === undefined && (options.epochs !== undefined || steps === undefined);
    await using opened = await openTrainer(config, {
      overrides: {
        ...overrides,
        ...(options.control !== undefined && { control: options.control }),
        ...(runDirectory !== undefined && { runDirectory: resolve(terminal.directory, runDirectory) }),
      },
      logger,
      signal: terminal.interruption(),
      hasBackend: true,
      resumeHint: (directory) => `to go on: agent-lightning train --resume ${directory}`,
    });
    const result = await opened.trainer.fit({
      ...fit,
      ...(length !== undefined && (inEpochs ? { epochs: length } : { steps: length })),
      ...(options.validationEvery !== undefined && { validationEvery: options.validationEvery }),
      resume: resumed !== undefined,
    });
    return toOutcome(result);
  });
}

/** Returns the run to go on with, or undefined where one begins. */
async function findResumed(
  resume: string | true | undefined,
  configured: string | undefined,
  directory: string,
): Promise<string | undefined> {
  if (resume === undefined || typeof resume === 'string') return resume;
  if (configured !== undefined) return configured;
  return await findNewestRun(directory);
}

function toOutcome(result: TrainingResult): Outcome {
  const { stopReason, steps, validationBefore, validationAfter, verdict, modelDirectory, reportPath, runDirectory } =
    result;
  const lines = [
    `${stopReason} after step ${steps}`,
    ...(validationBefore === undefined
      ? []
      : [
          `held-out reward: ${validationBefore.toFixed(3)} before${validationAfter === undefined ? '' : `, ${validationAfter.toFixed(3)} after`}`,
        ]),
    ...(verdict === undefined ? [] : [`verdict: ${describeVerdict(verdict)}`]),
    ...(modelDirectory === undefined ? [] : [`model: ${modelDirectory}`]),
    ...(reportPath === undefined ? [] : [`report: ${reportPath}`]),
    ...(stopReason === 'interrupted' ? [`go on: agent-lightning train --resume ${runDirectory}`] : []),
    ...(stopReason === 'limit-reached'
      ? [`go on: raise limits in the configuration, then agent-lightning train --resume ${runDirectory}`]
      : []),
  ];
  return {
    text: lines.join('\n'),
    json: result,
    exitCode: toExitCode(stopReason),
  };
}

function toExitCode(reason: TrainingResult['stopReason']): number {
  if (reason === 'interrupted') return exitCodes.interrupted;
  return reason === 'limit-reached' ? exitCodes.no : exitCodes.ok;
}
