import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { KeyRing, type KeyRecord, type NewKey } from '@agent-lightning/server';
import { defineCommand, defineGroup, runAs, type Invocation } from '../define-command.ts';
import { readDuration } from '../read-duration.ts';

interface FileOptions {
  readonly file: string;
}

interface AddOptions extends FileOptions {
  readonly role: NewKey['role'];
  readonly label?: string;
  readonly expires?: number;
}

const rolesText = 'admin: everything; trainer: train; runner: run agents; reader: look';

/** Adds `keys`, the commands that look after the keys of a server. */
export function addKeysCommand(program: Command): void {
  const group = defineGroup(program, 'keys', 'make, list and revoke the keys of a server');
  addAddCommand(group);
  addListCommand(group);
  addRevokeCommand(group);
}

function addFileOption(command: Command): Command {
  return command.requiredOption('--file <file>', 'the file of the keys, as `agent-lightning serve --keys` has it');
}

function openRing({ options, terminal }: Pick<Invocation<FileOptions>, 'options' | 'terminal'>): KeyRing {
  return new KeyRing({ file: resolve(terminal.directory, options.file) });
}

function addAddCommand(group: Command): void {
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

function addListCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'list',
    summary: 'list the keys, without the keys themselves',
    examples: [['agent-lightning keys list --file keys.json', 'who has a key, and until when']],
  });
  addFileOption(command);
  runAs<FileOptions>(command, (invocation) => {
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

function addRevokeCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'revoke <id>',
    summary: 'make a key worthless',
    details: 'A server that runs refuses it within a second.',
    examples: [['agent-lightning keys revoke 3f0a9b2c4d5e6f70 --file keys.json', 'the id is the one that list shows']],
  });
  addFileOption(command);
  runAs<FileOptions>(command, async (invocation) => {
    const id = invocation.arguments[0]!;
    await openRing(invocation).revoke(id);
    return { text: `revoked ${id}`, json: { id, revoked: true } };
  });
}
