import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { check, type LightningStore } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { toLabelLines, type LabelLine } from './label-lines.ts';
import { marks, type Mark } from './marks.ts';
import { labelOf, type Note } from './note.ts';
import { NotesFile } from './notes-file.ts';

export interface ExportNotesOptions {
  /** The store that has the rollouts; its opener closes it. @default the `store.sqlite` of the run directory */
  readonly store?: Pick<LightningStore, 'queryRollouts' | 'querySpans'>;
  /** Leaves out notes with another mark, or none. @default every note */
  readonly mark?: Mark;
  /** Leaves out notes without a score. @default false */
  readonly labelled?: boolean;
}

/** Reads the notes of a run, the oldest first; the newest one of each rollout. A run without any has none. */
export async function readNotes(runDirectory: string): Promise<readonly Note[]> {
  return [...(await new NotesFile(resolve(runDirectory)).read()).values()];
}

/**
 * Yields the notes of a run with the tasks and answers that they are about, as labelled answers for `measureAgreement`.
 * @throws {ConfigurationError} `option-invalid`, also for a directory that has no store of its own where none is given
 */
export async function* exportNotes(
  runDirectory: string,
  options: ExportNotesOptions = {},
): AsyncGenerator<LabelLine, void, undefined> {
  check.knownOptions('exportNotes', options, { store: true, mark: true, labelled: true });
  const { store, mark, labelled = false } = options;
  if (mark !== undefined) check.oneOf('exportNotes: mark', mark, marks);
  const notes = (await readNotes(runDirectory)).filter(
    (note) => (mark === undefined || note.mark === mark) && (!labelled || labelOf(note) !== undefined),
  );
  if (store !== undefined) {
    yield* toLabelLines(store, notes);
    return;
  }
  const path = join(resolve(runDirectory), 'store.sqlite');
  if (!existsSync(path))
    throw check.optionInvalid(
      'exportNotes: runDirectory',
      runDirectory,
      'a run directory with a store.sqlite, or give its store',
    );
  const opened = await openSqliteStore({ path, watchdogIntervalMs: 0 });
  try {
    yield* toLabelLines(opened, notes);
  } finally {
    await opened.close();
  }
}
