import { resolve } from 'node:path';
import type { Command } from 'commander';
import { KeyRing } from '@agent-lightning/server';
import type { Invocation } from '../../define-command.ts';

/** The options of every command of keys. */
export interface KeyFileOptions {
  readonly file: string;
}

/** Adds the option that names the file of the keys. */
export function addFileOption(command: Command): Command {
  return command.requiredOption('--file <file>', 'the file of the keys, as `agent-lightning serve --keys` has it');
}

/** Opens the keys of the file that a command line names. */
export function openRing({ options, terminal }: Pick<Invocation<KeyFileOptions>, 'options' | 'terminal'>): KeyRing {
  return new KeyRing({ file: resolve(terminal.directory, options.file) });
}
