import type { Command } from 'commander';
import { defineGroup } from '../define-command.ts';
import { addAddCommand } from './keys/add.ts';
import { addListCommand } from './keys/list.ts';
import { addRevokeCommand } from './keys/revoke.ts';

/** Adds `keys`, the commands that look after the keys of a server. */
export function addKeysCommand(program: Command): void {
  const group = defineGroup(program, 'keys', 'make, list and revoke the keys of a server');
  addAddCommand(group);
  addListCommand(group);
  addRevokeCommand(group);
}
