/** The frame that every command shares: how it is declared, how it prints, and how it ends. */
import { type Command } from 'commander';
import { toTerminalText, type Logger } from '@agent-lightning/core';
import { toJsonLine } from '../stored/to-json-line.ts';
import { createTerminalLogger, type Terminal } from './terminal.ts';

/** The things that a command line gives to a command. */
export interface Invocation<Options> {
  /** The options by their names in camel case. */
  readonly options: Options;
  /** The arguments that are no options, in order. */
  readonly arguments: readonly string[];
  readonly terminal: Terminal;
  /** Writes lines on standard error. */
  readonly logger: Logger;
  /** True when standard output is read by a program. */
  readonly isJson: boolean;
  /** Ends the command with exit code 2 and a message, as for an option that does not exist. */
  readonly refuse: (message: string) => never;
}

/** The result of a command. */
export interface Outcome {
  /** The text for a reader, without a line break at its end; printed unless `--json` is given. @default nothing is printed */
  readonly text?: string;
  /** The object that `--json` prints as the last line. */
  readonly json: object;
  /** @default 0 */
  readonly exitCode?: number;
}

/** The declaration of a command. */
export interface CommandDescription {
  /** The name and the arguments, such as `report [run]`. */
  readonly usage: string;
  /** One sentence that says what it does. */
  readonly summary: string;
  /** Further sentences of its help. @default none */
  readonly details?: string;
  /** Command lines with what each does; at least one. */
  readonly examples: readonly (readonly [commandLine: string, meaning: string])[];
}

/** Adds a command with `--json`, `--verbose` and its examples; add its options, then call {@link runAs}. */
export function defineCommand(parent: Command, { usage, summary, details, examples }: CommandDescription): Command {
  const lines = examples.map(([commandLine, meaning]) => `  # ${meaning}\n  ${commandLine}`);
  return parent
    .command(usage)
    .summary(summary)
    .description(details === undefined ? summary : `${summary}\n\n${details}`)
    .option('--json', 'print one JSON object as the last line of standard output')
    .option('--verbose', 'show the stack of an error')
    .addHelpText('after', `\nExamples:\n${lines.join('\n')}`);
}

/** Adds a group of commands, such as `store`. */
export function defineGroup(parent: Command, name: string, summary: string): Command {
  return parent.command(name).summary(summary).description(summary);
}

/** Sets what a command does. */
export function runAs<Options = object>(
  command: Command,
  action: (invocation: Invocation<Options & { readonly json?: boolean }>) => Promise<Outcome> | Outcome,
): void {
  command.action(async () => {
    const { terminal, finish } = findFrame(command);
    const options = command.opts<Options & { readonly json?: boolean }>();
    const outcome = await action({
      options,
      arguments: command.processedArgs.flat().filter((argument) => argument !== undefined) as string[],
      terminal,
      logger: createTerminalLogger(terminal),
      isJson: options.json === true,
      refuse: (message) => command.error(`error: ${message}`),
    });
    // What is shown may hold what an agent, a model or a server wrote.
    if (options.json === true) terminal.write(toJsonLine(outcome.json));
    else if (outcome.text !== undefined) terminal.write(`${toTerminalText(outcome.text)}\n`);
    finish(outcome.exitCode ?? 0);
  });
}

/** The things of one program that its commands share. */
export interface Frame {
  readonly terminal: Terminal;
  /** Takes the exit code of the command. */
  readonly finish: (exitCode: number) => void;
}

const frames = new WeakMap<Command, Frame>();

/** Gives a program its terminal. */
export function setFrame(program: Command, frame: Frame): void {
  frames.set(program, frame);
}

function findFrame(command: Command): Frame {
  const frame = frames.get(command);
  return frame ?? findFrame(command.parent!);
}
