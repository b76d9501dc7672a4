import type { Command } from 'commander';

/** A word that may follow, and what it means. */
export interface Word {
  readonly text: string;
  readonly meaning: string;
}

/** An option, with the values that it takes. */
export interface OptionWord extends Word {
  /** True when a value follows it. */
  readonly takesValue: boolean;
  /** @default any value; files are offered */
  readonly choices: readonly string[] | undefined;
}

/** The words that may follow one command. */
export interface CommandWords {
  /** The words that name the command, such as `store query`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly Word[];
  readonly options: readonly OptionWord[];
  /** The values of its arguments, where they are a list. */
  readonly values: readonly string[];
}

/** Describes a program and all of its commands, the program first. */
export function describeCommands(command: Command, path = ''): readonly CommandWords[] {
  const help = command.createHelp();
  const own: CommandWords = {
    path,
    commands: help
      .visibleCommands(command)
      .map((each) => ({ text: each.name(), meaning: each.summary() || each.description() })),
    options: help
      .visibleOptions(command)
      .flatMap(({ long, description, required, optional, argChoices }) =>
        long === undefined || long === null
          ? []
          : [{ text: long, meaning: description, takesValue: required || optional, choices: argChoices }],
      ),
    values: command.registeredArguments.flatMap(({ argChoices }) => argChoices ?? []),
  };
  const below = command.commands.flatMap((each) => describeCommands(each, `${path} ${each.name()}`.trim()));
  return [own, ...below];
}
