/** What an example's program can be told. */
import { parseArgs } from 'node:util';

/** A program that trains an example. */
export interface ExampleProgram<Flag extends string = never> {
  /** What starts it, such as `npm run quickstart`. */
  readonly command: string;
  /** What it does, in a sentence. */
  readonly purpose: string;
  /** Training steps: enough for the reward to level off. */
  readonly defaultSteps: number;
  /** What the mean held-out reward is, such as "Held-out questions that the agent answers right". */
  readonly outcome: string;
  /** Flags of its own, which take no value, and what each does. */
  readonly flags?: Readonly<Record<Flag, string>>;
}

export interface ExampleOptions<Flag extends string = never> {
  readonly seed: number;
  readonly validationSeed: number;
  readonly control: 'none' | 'shuffled';
  readonly steps: number;
  readonly json: boolean;
  /** The directory of a run to go on with. */
  readonly resume?: string;
  readonly runDirectory?: string;
  /** The program's own flags: whether each was given. */
  readonly flags: Readonly<Record<Flag, boolean>>;
}

/** A flag that is not understood; the message says which, and what to write instead. */
export class UsageError extends Error {}

export function usageOf({ command, purpose, defaultSteps, flags }: ExampleProgram<string>): string {
  const own = Object.entries(flags ?? {}).map(([flag, meaning]) => `  --${flag.padEnd(18)} ${meaning}\n`);
  return `${purpose}

  ${command} -- [options]

  --seed N             seeds the order of the questions and all sampling (default 0)
  --validation-seed M  picks the held-out questions (default 0)
  --control shuffled   permutes the rewards among rollouts: nothing should be learned then
  --steps N            training steps (default ${defaultSteps})
${own.join('')}  --run-directory DIR  where the run is kept (default runs/<time>)
  --resume DIR         goes on with the run in DIR, which was started with the same options
  --json               prints one JSON object as the last line
  --help               prints this
`;
}

/** The options, or `help` when that was asked for. @throws UsageError */
export function readCommandLine<Flag extends string>(
  program: ExampleProgram<Flag>,
  args: readonly string[],
): ExampleOptions<Flag> | 'help' {
  const values = parse(args, flagsOf(program));
  if (values.help === true) return 'help';
  const control = values.control ?? 'none';
  if (control !== 'none' && control !== 'shuffled')
    throw new UsageError(`--control is "${control}"; it can be shuffled or none`);
  if (values.resume !== undefined && values['run-directory'] !== undefined) {
    throw new UsageError('--resume and --run-directory both name the run; give one of them');
  }
  const given = values as Readonly<Record<string, unknown>>;
  return {
    seed: wholeNumber('--seed', values.seed, 0, 0),
    validationSeed: wholeNumber('--validation-seed', values['validation-seed'], 0, 0),
    control,
    steps: wholeNumber('--steps', values.steps, program.defaultSteps, 1),
    json: values.json ?? false,
    ...(values.resume === undefined ? {} : { resume: values.resume }),
    ...(values['run-directory'] === undefined ? {} : { runDirectory: values['run-directory'] }),
    flags: Object.fromEntries(flagsOf(program).map((flag) => [flag, given[flag] === true])) as Record<Flag, boolean>,
  };
}

/** The command that runs the program with these options, without those that are as by default. */
export function commandOf<Flag extends string>(
  program: ExampleProgram<Flag>,
  { seed, validationSeed, control, steps, resume, flags }: ExampleOptions<Flag>,
): string {
  return [
    `${program.command} -- --seed ${seed}`,
    validationSeed === 0 ? '' : ` --validation-seed ${validationSeed}`,
    control === 'none' ? '' : ` --control ${control}`,
    steps === program.defaultSteps ? '' : ` --steps ${steps}`,
    ...flagsOf(program).map((flag) => (flags[flag] ? ` --${flag}` : '')),
    resume === undefined ? '' : ` --resume ${resume}`,
  ].join('');
}

function flagsOf<Flag extends string>({ flags }: ExampleProgram<Flag>): readonly Flag[] {
  return Object.keys(flags ?? {}) as Flag[];
}

function parse(args: readonly string[], flags: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    ...Object.fromEntries(flags.map((name) => [name, flag])),
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
