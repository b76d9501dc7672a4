import type { Command } from 'commander';
import { defineGroup } from '../define-command.ts';
import { addExportModelCommand } from './export/model.ts';
import { addExportNotesCommand } from './export/notes.ts';
import { addExportSftCommand } from './export/sft.ts';

/** Adds `export`, the commands that hand on what a run made. */
export function addExportCommand(program: Command): void {
  const group = defineGroup(program, 'export', 'hand on the trained model, notes, or data for supervised fine-tuning');
  addExportModelCommand(group);
  addExportSftCommand(group);
  addExportNotesCommand(group);
}
