import { check, type ConfigurationError, type JsonValue } from '@agent-lightning/core';
import type { RolloutContext, RolloutResult } from '../rollout-function.ts';
import type { Launcher } from './launcher.ts';

type LauncherName = Launcher['name'];

/** Holds what a command left behind. Both outputs are capped, with a visible mark, and hold no key of the attempt. */
export interface CommandResult<Task = JsonValue> {
  readonly task: Task;
  readonly stdout: string;
  readonly stderr: string;
  /** The exit code; null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Names what ended a Job's container, where more is known than its exit code: `OOMKilled`. */
  readonly endedBy?: string;
}

/** Gives the reward of a command that ended, whatever its exit code. */
export type CommandReward<Task = JsonValue> = (
  result: CommandResult<Task>,
  context: RolloutContext,
) => Promise<RolloutResult> | RolloutResult;

type Environment = Readonly<Record<string, string | undefined>>;

/** Options of an agent in a process of its own, wherever that runs. */
export interface LaunchOptions<Task> {
  /** The arguments of the command, or a function that makes them of the task. @default none */
  readonly args?: readonly string[] | ((task: Task, context: RolloutContext) => readonly string[]);
  /** Variables that are added to the environment and win over everything else; undefined takes a variable away. @default none */
  readonly env?: Environment | ((task: Task, context: RolloutContext) => Environment);
  /**
   * Returns what the agent gets of a task: without the answers, which `reward` still sees. `args` and `env` get the whole task.
   * @default the whole task
   */
  readonly taskForAgent?: (task: Task) => unknown;
  /**
   * The names of models, whole or as patterns, that the command's agents have in their code, and that the policy answers to besides its own:
   * `['gpt-4o-mini', /./]`. Needs a gateway that can, as the trainer's does; without a policy it changes nothing. @default those of the gateway
   */
  readonly answersTo?: readonly (string | RegExp)[];
  /** The way in which the task arrives as JSON: on standard input, or in `AGENT_LIGHTNING_TASK`. @default 'stdin' */
  readonly taskIn?: 'stdin' | 'environment';
  /**
   * `stdout`: the last line of standard output that is `{"reward": …}`, a number, named numbers, or null for none.
   * `exit-code`: 1 for exit code 0, else 0. Or a function. Only `stdout` fails the attempt when the exit code is not 0.
   * @default 'stdout'
   */
  readonly reward?: 'stdout' | 'exit-code' | CommandReward<Task>;
  /** The time limit from start to exit; the attempt's own time limit holds besides. @default none */
  readonly timeoutMs?: number;
  /** The time between the request to end (SIGTERM) and the end (SIGKILL) of the command and all that it started. @default 5_000 */
  readonly killGraceMs?: number;
  /** The bytes that are kept of standard output and of standard error each: the first half and the last half; 256 to 4_000_000. @default 65_536 */
  readonly maxOutputBytes?: number;
}

export interface RunCommandOptions<Task = JsonValue> extends LaunchOptions<Task> {
  /** A program on the `PATH` or a path to one; it is not given to a shell. */
  readonly command: string;
  /**
   * What the command sees of the environment of this process: all of it (true), nothing (false), or, by names, these besides what programs
   * need to run, such as `PATH`, `HOME` and `LANG`. Keys are not among those: an agent may do what its model says.
   * @default []
   */
  readonly inheritEnv?: boolean | readonly string[];
  /** The directory in which the command runs. @default that of this process */
  readonly cwd?: string;
}

export type ResolvedCommandOptions<Task> = Readonly<
  Required<Omit<RunCommandOptions<Task>, 'cwd' | 'timeoutMs' | 'answersTo'>> &
    Pick<RunCommandOptions<Task>, 'cwd' | 'timeoutMs' | 'answersTo'>
>;

const optionNames: Readonly<Record<keyof RunCommandOptions<unknown>, true>> = {
  command: true,
  args: true,
  env: true,
  inheritEnv: true,
  answersTo: true,
  cwd: true,
  taskIn: true,
  taskForAgent: true,
  reward: true,
  timeoutMs: true,
  killGraceMs: true,
  maxOutputBytes: true,
};

/** @throws {ConfigurationError} `option-invalid` */
export function resolveCommandOptions<Task>(options: RunCommandOptions<Task>): ResolvedCommandOptions<Task> {
  check.knownOptions('runCommand', options, optionNames);
  return checkCommandOptions('runCommand', options);
}

/** Checks the options that every launcher has. @throws {ConfigurationError} `option-invalid` */
export function checkCommandOptions<Task>(
  launcher: LauncherName,
  options: RunCommandOptions<Task>,
): ResolvedCommandOptions<Task> {
  const invalid = (name: string, value: unknown, expected: string): ConfigurationError =>
    invalidOption(launcher, name, value, expected);
  const { command, args = [], env = {}, reward = 'stdout', taskIn = 'stdin', timeoutMs } = options;
  const { inheritEnv = [], taskForAgent = (task: Task): unknown => task } = options;
  if (typeof command !== 'string' || command === '' || command.includes('\0'))
    throw invalid('command', command, 'the name or path of a program');
  if (typeof args !== 'function') checkArguments(launcher, args);
  if (typeof env !== 'function' && (typeof env !== 'object' || env === null))
    throw invalid('env', env, 'an object of strings, or a function that returns one');
  if (reward !== 'stdout' && reward !== 'exit-code' && typeof reward !== 'function')
    throw invalid('reward', reward, "'stdout', 'exit-code' or a function");
  if (typeof inheritEnv !== 'boolean' && !isNames(inheritEnv))
    throw invalid('inheritEnv', inheritEnv, 'true, false, or a list of names of variables');
  if (options.answersTo !== undefined) check.modelNames(`${launcher}: answersTo`, options.answersTo);
  if (typeof taskForAgent !== 'function')
    throw invalid('taskForAgent', taskForAgent, 'a function that returns what the agent gets of a task');
  if (taskIn !== 'stdin' && taskIn !== 'environment') throw invalid('taskIn', taskIn, "'stdin' or 'environment'");
  return Object.freeze({
    ...options,
    args,
    env,
    reward,
    taskIn,
    inheritEnv,
    taskForAgent,
    killGraceMs: check.timerMs(`${launcher}: killGraceMs`, options.killGraceMs ?? 5_000, 0),
    maxOutputBytes: check.wholeNumber(`${launcher}: maxOutputBytes`, options.maxOutputBytes ?? 65_536, 256, 4_000_000),
    ...(timeoutMs !== undefined && { timeoutMs: check.timerMs(`${launcher}: timeoutMs`, timeoutMs) }),
  });
}

/** @throws {ConfigurationError} `option-invalid` naming the argument */
export function checkArguments(launcher: LauncherName, args: readonly string[], name = 'args'): readonly string[] {
  if (!Array.isArray(args)) throw invalidOption(launcher, name, args, 'a list of strings');
  const bad = args.findIndex((each) => typeof each !== 'string' || each.includes('\0'));
  if (bad >= 0) throw invalidOption(launcher, `${name}[${bad}]`, args[bad], 'a string without NUL');
  return args;
}

function isNames(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((name) => typeof name === 'string' && name !== '');
}

/** Returns the error for an option of a launcher. */
export function invalidOption(
  launcher: LauncherName,
  name: string,
  value: unknown,
  expected: string,
): ConfigurationError {
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return check.optionInvalid(`${launcher}: ${name}`, shown, expected);
}
