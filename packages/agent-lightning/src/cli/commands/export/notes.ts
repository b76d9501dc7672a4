import { resolve } from 'node:path';
import { Argument, Option, type Command } from 'commander';
import { exportNotes, marks, type LabelLine, type Mark } from '@agent-lightning/dashboard';
import { writeLines } from '@agent-lightning/platform';
import { isRunDirectory } from '../../../promoted/run-prompts.ts';
import { findStore, withStore } from '../../../stored/open-store.ts';
import { toJsonLine } from '../../../stored/to-json-line.ts';
import { defineCommand, runAs } from '../../define-command.ts';

interface NotesOptions {
  readonly output: string;
  readonly store?: string;
  readonly schema?: string;
  readonly mark?: Mark;
  readonly labelled?: boolean;
}

/** Adds `export notes`. */
export function addExportNotesCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'notes',
    summary: 'write your notes on rollouts as JSON Lines: labelled answers',
    details:
      'Notes are written in the dashboard, and kept in the run directory. A line is { task, answer, label, mark, comment, rolloutId, … }: with a label, from 0 to 1, it is a labelled answer for measureAgreement. The answer is what the agent emitted last, else the last answer of a model.',
    examples: [
      ['agent-lightning export notes runs/a --output notes.jsonl', 'every note of a run'],
      ['agent-lightning export notes runs/a --labelled --output labels.jsonl', 'those with a score, for a judge'],
    ],
  })
    .addArgument(new Argument('<run>', 'a run directory'))
    .requiredOption('--output <file>', 'the file to write; it appears whole or not at all')
    .addOption(new Option('--mark <mark>', 'only notes with this mark').choices(marks))
    .option('--labelled', 'only notes with a score: their own, or that of the marks good (1) and bad (0)')
    .option('--store <store>', 'the store with the rollouts (default: store.sqlite in the run directory)')
    .option('--schema <name>', 'the schema of a PostgreSQL store (default: agent_lightning)');
  runAs<NotesOptions>(command, async ({ options, arguments: [run], terminal, refuse, logger }) => {
    const { output: file, store, schema, mark, labelled } = options;
    const directory = resolve(terminal.directory, run!);
    if (!isRunDirectory(directory)) return refuse(`${directory} is no run directory: it has no run.json`);
    const output = resolve(terminal.directory, file);
    const place = findStore(store ?? directory, terminal, schema);
    const notes = await withStore(place, (opened) =>
      writeLines(
        output,
        toLines(
          exportNotes(directory, {
            store: opened,
            ...(mark !== undefined && { mark }),
            ...(labelled !== undefined && { labelled }),
          }),
        ),
      ),
    );
    if (notes === 0) logger.warn('no note was found; write some in the dashboard: agent-lightning dashboard');
    return { text: `${notes} notes are in ${output}`, json: { output, notes } };
  });
}

async function* toLines(values: AsyncIterable<LabelLine>): AsyncGenerator<string, void, undefined> {
  for await (const value of values) yield toJsonLine(value);
}
