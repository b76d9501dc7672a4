import { CommanderError, type Command } from 'commander';
import { LightningError, toTerminalText } from '@agent-lightning/core';
import { toJsonLine } from '../stored/to-json-line.ts';
import { exitCodes } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** A command line that failed. */
export interface Failing {
  readonly args: readonly string[];
  readonly program: Command;
  readonly terminal: Terminal;
}

/** Tells an error to the reader and to a program that reads standard output. Returns the exit code. */
export function tellError(error: unknown, { args, program, terminal }: Failing): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0 || error.code === 'commander.help') return error.exitCode === 0 ? 0 : exitCodes.usage;
    terminal.complain(`Read more: ${nameCommand(program, args)} --help\n`);
    tellProgram('usage', error.message.replace(/^error: /, ''), args, terminal);
    return exitCodes.usage;
  }
  const isOurs = LightningError.isInstance(error);
  const message = error instanceof Error ? error.message : String(error);
  const stack = error instanceof Error ? (error.stack ?? message) : message;
  // An error that is not ours is a fault of this program or of the user's code: its stack says where.
  const isShort = isOurs && !args.includes('--verbose');
  terminal.complain(`${toTerminalText(isShort ? `${message} (${error.code})` : `${stack}${describeCause(error)}`)}\n`);
  tellProgram(isOurs ? error.code : 'unexpected', message, args, terminal);
  return isOurs && error.code === 'cancelled' ? exitCodes.interrupted : exitCodes.failed;
}

function tellProgram(code: string, message: string, args: readonly string[], { write }: Terminal): void {
  if (args.includes('--json')) write(toJsonLine({ error: { code, message } }));
}

function describeCause(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined
    ? ''
    : `\nCaused by: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`;
}

/** Returns the words of the command line that name a command. */
function nameCommand(program: Command, args: readonly string[]): string {
  const words = [program.name()];
  let command: Command | undefined = program;
  for (const argument of args) {
    command = command.commands.find((each) => each.name() === argument);
    if (command === undefined) break;
    words.push(argument);
  }
  return words.join(' ');
}
