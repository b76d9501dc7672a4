import type { Command } from 'commander';
import { defineGroup } from '../define-command.ts';
import { addCheckCommand } from './store/check.ts';
import { addDeleteCommand } from './store/delete.ts';
import { addStoreExportCommand } from './store/export.ts';
import { addMigrateCommand } from './store/migrate.ts';
import { addQueryCommand } from './store/query.ts';

/** Adds `store`, the commands that look after what a store keeps. */
export function addStoreCommand(program: Command): void {
  const group = defineGroup(program, 'store', 'look into a store of rollouts, export, delete, migrate and check it');
  addQueryCommand(group);
  addStoreExportCommand(group);
  addDeleteCommand(group);
  addMigrateCommand(group);
  addCheckCommand(group);
}
