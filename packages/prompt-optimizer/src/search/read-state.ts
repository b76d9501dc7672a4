import { readFile } from 'node:fs/promises';
import { TrainerError } from '@agent-lightning/core';

/** Reads the state of a search that a checkpoint holds. @throws {TrainerError} `resume-mismatch` when another version wrote it */
export async function readState<State extends { readonly format: number }>(
  path: string,
  format: State['format'],
): Promise<State> {
  const state = JSON.parse(await readFile(path, 'utf8')) as State;
  if (state.format === format) return state;
  throw new TrainerError(
    `${path} has the format ${String(state.format)}; this version reads format ${format}. Begin a new run`,
    { code: 'resume-mismatch' },
  );
}
