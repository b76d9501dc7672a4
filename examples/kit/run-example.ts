/** Runs an example's program: reads its command line, trains, says what came out, and sets the exit code. */
import { LightningError } from '@agent-lightning/core';
import type { DevReport, FitOptions, TrainerOptions, TrainingResult } from '@agent-lightning/trainer';

import {
  commandOf,
  readCommandLine,
  usageOf,
  UsageError,
  type ExampleOptions,
  type ExampleProgram,
} from './command-line.ts';
import { summarize, toJsonLine } from './summary.ts';

/** The options of the command line, and the parts of the trainer's options that follow from them. */
export interface ExampleRun<Flag extends string = never, Name extends string = never> {
  readonly options: ExampleOptions<Flag, Name>;
  readonly trainerOptions: Pick<TrainerOptions<unknown>, 'seed' | 'control' | 'runDirectory' | 'resumeHint'>;
  readonly fitOptions: Required<Pick<FitOptions<unknown>, 'steps' | 'resume'>>;
}

/**
 * Runs `train`, which trains or makes a dry run. Exit codes: 2 for a flag that is not understood, 1 for a failure and for a dry run that
 * found nothing to learn from, 130 for a run that was interrupted and saved.
 */
export async function runExample<Flag extends string = never, Name extends string = never>(
  program: ExampleProgram<Flag, Name>,
  train: (run: ExampleRun<Flag, Name>) => Promise<TrainingResult | DevReport>,
): Promise<void> {
  try {
    const options = readCommandLine(program, process.argv.slice(2));
    if (options === 'help') return console.log(usageOf(program));
    const result = await train(toRun(program, options));
    if ('ok' in result) return showDryRun(result, options.json);
    console.log(`\n${summarize(program, options, result)}`);
    if (options.json) console.log(toJsonLine(options, result));
    if (result.stopReason === 'interrupted') process.exitCode = 130;
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${usageOf(program)}`);
      process.exitCode = 2;
    } else if (LightningError.isInstance(error)) {
      console.error(`${error.message} (${error.code})`);
      process.exitCode = 1;
    } else {
      throw error;
    }
  }
}

/** Ends a dry run, whose report the trainer has logged. */
function showDryRun(report: DevReport, json: boolean): void {
  if (json) console.log(JSON.stringify(report));
  if (!report.ok) process.exitCode = 1;
}

function toRun<Flag extends string, Name extends string>(
  program: ExampleProgram<Flag, Name>,
  options: ExampleOptions<Flag, Name>,
): ExampleRun<Flag, Name> {
  const runDirectory = options.resume ?? options.runDirectory;
  return {
    options,
    trainerOptions: {
      seed: options.seed,
      control: options.control,
      ...(runDirectory === undefined ? {} : { runDirectory }),
      resumeHint: (directory) => `to go on: ${commandOf(program, { ...options, resume: directory })}`,
    },
    fitOptions: { steps: options.steps, resume: options.resume !== undefined },
  };
}
