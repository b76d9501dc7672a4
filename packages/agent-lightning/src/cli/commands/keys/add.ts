import { Option, type Command } from 'commander';
import type { NewKey } from '@agent-lightning/server';
import { defineCommand, runAs } from '../../define-command.ts';
import { readDuration } from '../../read-duration.ts';
import { addFileOption, openRing, type KeyFileOptions } from './key-file-options.ts';

interface AddOptions extends KeyFileOptions {
  readonly role: NewKey['role'];
  readonly label?: string;
  readonly expires?: number;
}

const rolesText = 'admin: everything; trainer: train; runner: run agents; reader: look';

/** Adds `keys add`. */
export function addAddCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'add',
    summary: 'make a key and show it, this once',
    details:
      'The file keeps only its hash. A server that runs takes the new key at once. To rotate a key, add another one, hand it out, and revoke the old one.',
    examples: [
      ['agent-lightning keys add --file keys.json --role runner --label gpu-2 --expires 30d', 'a key for one machine'],
    ],
  })
    .addOption(
      new Option('--role <role>', rolesText).choices(['admin', 'trainer', 'runner', 'reader']).makeOptionMandatory(),
    )
    .option('--label <text>', 'who has the key')
    .option('--expires <time>', 'the time for which it is good, such as 30d (default: for ever)', readDuration);
  addFileOption(command);
  runAs<AddOptions>(command, async (invocation) => {
    const { role, label, expires } = invocation.options;
    const added = await openRing(invocation).add({
      role,
      ...(label !== undefined && { label }),
      ...(expires !== undefined && { expiresInMs: expires }),
    });
    return { text: added.key, json: { ...added, role } };
  });
}
