/** What `npm run quickstart` can be told. */
import { parseArgs } from 'node:util';

export interface QuickstartOptions {
  readonly seed: number;
  readonly validationSeed: number;
  readonly control: 'none' | 'shuffled';
  readonly steps: number;
  readonly json: boolean;
  /** The directory of a run to go on with. */
  readonly resume?: string;
  readonly runDirectory?: string;
}

/** Enough for the reward to level off. */
export const defaultSteps = 20;

export const usage = `Trains the SQL agent on this machine and writes a report.

  npm run quickstart -- [options]

  --seed N             seeds the order of the questions and all sampling (default 0)
  --validation-seed M  picks the held-out questions (default 0)
  --control shuffled   permutes the rewards among rollouts: nothing should be learned then
  --steps N            training steps (default ${defaultSteps})
  --run-directory DIR  where the run is kept (default runs/<time>)
  --resume DIR         goes on with the run in DIR, which was started with the same options
  --json               prints one JSON object as the last line
  --help               prints this
`;

/** A flag that is not understood; the message says which, and what to write instead. */
export class UsageError extends Error {}

/** The options, or `help` when that was asked for. @throws UsageError */
export function readCommandLine(args: readonly string[]): QuickstartOptions | 'help' {
  const values = parse(args);
  if (values.help === true) return 'help';
  const control = values.control ?? 'none';
  if (control !== 'none' && control !== 'shuffled')
    throw new UsageError(`--control is "${control}"; it can be shuffled or none`);
  if (values.resume !== undefined && values['run-directory'] !== undefined) {
    throw new UsageError('--resume and --run-directory both name the run; give one of them');
  }
  return {
    seed: wholeNumber('--seed', values.seed, 0, 0),
    validationSeed: wholeNumber('--validation-seed', values['validation-seed'], 0, 0),
    control,
    steps: wholeNumber('--steps', values.steps, defaultSteps, 1),
    json: values.json ?? false,
    ...(values.resume === undefined ? {} : { resume: values.resume }),
    ...(values['run-directory'] === undefined ? {} : { runDirectory: values['run-directory'] }),
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    seed: text,
    'validation-seed': text,
    control: text,
    steps: text,
    resume: text,
    'run-directory': text,
    json: flag,
    help: flag,
  };
  try {
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value < 2 ** 31) return value;
  throw new UsageError(`${name} is "${text}"; a whole number from ${least} to ${2 ** 31 - 1} was expected`);
}
