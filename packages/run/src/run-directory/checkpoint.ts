import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TrainerError, type AlgorithmRun } from '@agent-lightning/core';
import { moveIntoPlace, syncDirectory, writeAndSync } from '@agent-lightning/platform';
import type { RunState } from '../run-state.ts';

/** The part of an algorithm that a checkpoint saves, beside the run's own state. */
export type Resumable = Pick<AlgorithmRun, 'save' | 'load' | 'discard'>;

/** A checkpoint: the run's state, and the directory of the algorithm's state. */
export interface SavedRun {
  readonly state: RunState;
  readonly directory: string;
}

const checkpointName = /^step-(\d{6,})$/;

/** Keeps a run's checkpoints: the states of the algorithm and of the run together, whole or absent. */
export class Checkpoints {
  readonly #directory: string;
  readonly #keep: number;

  constructor(directory: string, keep: number) {
    this.#directory = directory;
    this.#keep = keep;
  }

  /** Saves both states under the step, then removes checkpoints beyond the newest that are kept; that of the best step stays. */
  async save(resumable: Resumable, state: RunState): Promise<void> {
    const name = `step-${String(state.step).padStart(6, '0')}`;
    const partial = join(this.#directory, `partial-${name}`);
    const replaced = join(this.#directory, `replaced-${name}`);
    await this.#removeLeftovers(resumable);
    await mkdir(partial, { recursive: true });
    await resumable.save(partial);
    await writeAndSync(join(partial, 'run.json'), JSON.stringify(state));
    await syncDirectory(partial);
    if (existsSync(this.#pathOf(state.step))) await moveIntoPlace(this.#pathOf(state.step), replaced);
    await moveIntoPlace(partial, this.#pathOf(state.step));
    await syncDirectory(this.#directory);
    await remove(resumable, replaced);
    for (const step of (await this.steps()).slice(this.#keep))
      if (step !== state.best?.step) await remove(resumable, this.#pathOf(step));
  }

  /** Returns the run's state in the newest checkpoint and the directory of the algorithm's state, or undefined when the run has none. */
  async latest(): Promise<SavedRun | undefined> {
    await this.#restoreReplaced();
    const [newest] = await this.steps();
    return newest === undefined ? undefined : await this.#read(newest);
  }

  /** Returns the checkpoint of a step, or undefined where it is not kept. */
  async find(step: number): Promise<SavedRun | undefined> {
    return (await this.steps()).includes(step) ? await this.#read(step) : undefined;
  }

  /** Lists the steps with a checkpoint, newest first. */
  async steps(): Promise<readonly number[]> {
    if (!existsSync(this.#directory)) return [];
    const names = await readdir(this.#directory);
    return names
      .flatMap((name) => checkpointName.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a);
  }

  async #read(step: number): Promise<SavedRun> {
    const path = join(this.#pathOf(step), 'run.json');
    const state = JSON.parse(await readFile(path, 'utf8')) as RunState;
    if (state.format !== 3)
      throw new TrainerError(`${path} has the format ${String(state.format)}; this version reads format 3`, {
        code: 'resume-mismatch',
      });
    return { state, directory: this.#pathOf(step) };
  }

  /** Removes the remains of a save that was killed or that failed, of any step. */
  async #removeLeftovers(resumable: Resumable): Promise<void> {
    await this.#restoreReplaced();
    for (const name of await readdir(this.#directory))
      if (/^(partial|replaced)-/.test(name)) await remove(resumable, join(this.#directory, name));
  }

  /** Restores a checkpoint whose replacement was not finished because the process was killed. */
  async #restoreReplaced(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name.replace(/^replaced-/, ''));
      if (name.startsWith('replaced-') && !existsSync(path)) await moveIntoPlace(join(this.#directory, name), path);
    }
  }

  #pathOf(step: number): string {
    return join(this.#directory, `step-${String(step).padStart(6, '0')}`);
  }
}

/** Deletes a checkpoint, and frees what its state holds elsewhere. */
async function remove(resumable: Resumable, checkpoint: string): Promise<void> {
  if (!existsSync(checkpoint)) return;
  await resumable.discard?.(checkpoint);
  await rm(checkpoint, { recursive: true, force: true });
}
