import type { Command } from 'commander';
import { defineCommand, runAs } from '../../define-command.ts';
import { addFileOption, openRing, type KeyFileOptions } from './key-file-options.ts';

/** Adds `keys revoke`. */
export function addRevokeCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'revoke <id>',
    summary: 'make a key worthless',
    details: 'A server that runs refuses it within a second.',
    examples: [['agent-lightning keys revoke 3f0a9b2c4d5e6f70 --file keys.json', 'the id is the one that list shows']],
  });
  addFileOption(command);
  runAs<KeyFileOptions>(command, async (invocation) => {
    const id = invocation.arguments[0]!;
    await openRing(invocation).revoke(id);
    return { text: `revoked ${id}`, json: { id, revoked: true } };
  });
}
