import { readFile, writeFile } from 'node:fs/promises';
import { TrainerError } from '@agent-lightning/core';

/** Writes the state of an algorithm to a file of a checkpoint, as JSON, and waits until it is on the disk. */
export async function writeState(path: string, state: { readonly format: number }): Promise<void> {
  await writeFile(path, JSON.stringify(state), { flush: true });
}

/** Reads the state of an algorithm from a file of a checkpoint. @throws {TrainerError} `resume-mismatch` when another version wrote it */
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
