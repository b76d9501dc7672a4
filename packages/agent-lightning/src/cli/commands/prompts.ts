import type { Command } from 'commander';
import { defineGroup } from '../define-command.ts';
import { addDiffPromptsCommand } from './prompts/diff.ts';
import { addExportPromptsCommand } from './prompts/export.ts';
import { addListPromptsCommand } from './prompts/list.ts';
import { addPromotePromptsCommand } from './prompts/promote.ts';
import { addRollbackPromptsCommand } from './prompts/rollback.ts';

/** Adds `prompts`, the commands that bring improved prompts into production and back. */
export function addPromptsCommand(program: Command): void {
  const group = defineGroup(program, 'prompts', 'bring improved prompts into production, and back');
  addListPromptsCommand(group);
  addDiffPromptsCommand(group);
  addPromotePromptsCommand(group);
  addRollbackPromptsCommand(group);
  addExportPromptsCommand(group);
}
