/** The options of an example's program. */
import { parseArgs } from 'node:util';

/** A flag that takes a value. */
export interface Setting {
  /** The word for the value in the help, such as `DIR`. */
  readonly value: string;
  readonly meaning: string;
  /** The value where none is given; empty for a setting that is off then. */
  readonly default: string;
}

/** A program that trains an example. */
export interface ExampleProgram<Flag extends string = never, Name extends string = never> {
  /** The command that starts it, such as `npm run quickstart`. */
  readonly command: string;
  /** Says in a sentence what it does. */
  readonly purpose: string;
  /** Training steps: enough for the reward to level off. */
  readonly defaultSteps: number;
  /** A name for the mean held-out reward, such as "Held-out questions that the agent answers right". */
  readonly outcome: string;
  /** Says what the directory `model/` of the run holds. @default 'Hugging Face layout' */
  readonly holds?: string;
  /** A command that shows more, and what it does: the last line of the summary. */
  readonly next?: string;
  /** Flags of its own, which take no value, and what each does. */
  readonly flags?: Readonly<Record<Flag, string>>;
  /** Flags of its own that take a value. */
  readonly settings?: Readonly<Record<Name, Setting>>;
}

export interface ExampleOptions<Flag extends string = never, Name extends string = never> {
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
  /** The values of the program's own settings. */
  readonly settings: Readonly<Record<Name, string>>;
}

/** A flag that is not understood; the message says which, and what to write instead. */
export class UsageError extends Error {}

export function usageOf({ command, purpose, defaultSteps, flags, settings }: ExampleProgram<string, string>): string {
  const own = [
    ...Object.entries(flags ?? {}),
    ...Object.entries(settings ?? {}).map(([name, setting]): [string, string] => [
      `${name} ${setting.value}`,
      setting.default === '' ? setting.meaning : `${setting.meaning} (default ${setting.default})`,
    ]),
  ].map(([flag, meaning]) => `  --${flag.padEnd(18)} ${meaning}\n`);
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
export function readCommandLine<Flag extends string, Name extends string>(
  program: ExampleProgram<Flag, Name>,
  args: readonly string[],
): ExampleOptions<Flag, Name> | 'help' {
  const values = parse(args, flagsOf(program), settingsOf(program));
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
    settings: Object.fromEntries(
      settingsOf(program).map((name) => [name, given[name] ?? program.settings?.[name].default]),
    ) as Record<Name, string>,
  };
}

/** The command that runs the program with these options, without those that are as by default. */
export function commandOf<Flag extends string, Name extends string>(
  program: ExampleProgram<Flag, Name>,
  { seed, validationSeed, control, steps, resume, flags, settings }: ExampleOptions<Flag, Name>,
): string {
  return [
    `${program.command} -- --seed ${seed}`,
    validationSeed === 0 ? '' : ` --validation-seed ${validationSeed}`,
    control === 'none' ? '' : ` --control ${control}`,
    steps === program.defaultSteps ? '' : ` --steps ${steps}`,
    ...flagsOf(program).map((flag) => (flags[flag] ? ` --${flag}` : '')),
    ...settingsOf(program).map((name) =>
      settings[name] === program.settings?.[name].default ? '' : ` --${name} ${settings[name]}`,
    ),
    resume === undefined ? '' : ` --resume ${resume}`,
  ].join('');
}

function flagsOf<Flag extends string>({ flags }: ExampleProgram<Flag, string>): readonly Flag[] {
  return Object.keys(flags ?? {}) as Flag[];
}

function settingsOf<Name extends string>({ settings }: ExampleProgram<string, Name>): readonly Name[] {
  return Object.keys(settings ?? {}) as Name[];
}

function parse(args: readonly string[], flags: readonly string[], settings: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  const options = {
    ...Object.fromEntries(flags.map((name) => [name, flag])),
    ...Object.fromEntries(settings.map((name) => [name, text])),
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
