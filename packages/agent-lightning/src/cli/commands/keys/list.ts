import type { Command } from 'commander';
import type { KeyRecord } from '@agent-lightning/server';
import { defineCommand, runAs } from '../../define-command.ts';
import { addFileOption, openRing, type KeyFileOptions } from './key-file-options.ts';

/** Adds `keys list`. */
export function addListCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'list',
    summary: 'list the keys, without the keys themselves',
    examples: [['agent-lightning keys list --file keys.json', 'who has a key, and until when']],
  });
  addFileOption(command);
  runAs<KeyFileOptions>(command, (invocation) => {
    const keys = openRing(invocation)
      .list()
      .map(({ hash: _hash, ...shown }) => shown);
    return { text: keys.length === 0 ? 'no keys' : keys.map(describeKey).join('\n'), json: { keys } };
  });
}

function describeKey({ id, role, label, expiresAtMs }: Omit<KeyRecord, 'hash'>): string {
  const until = expiresAtMs === undefined ? 'for ever' : `until ${new Date(expiresAtMs).toISOString()}`;
  return [id, role, until, ...(label === undefined ? [] : [label])].join('  ');
}
