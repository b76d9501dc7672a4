import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TrainerError } from '@agent-lightning/core';
import type { PolicySet } from '@agent-lightning/trainer';
import type { TrainerState } from '../run-state.ts';
import { syncDirectory, writeAndSync } from '@agent-lightning/platform';

const checkpointName = /^step-(\d{6,})$/;

/** A run's checkpoints: the states of all policies and of the trainer together, whole or absent. */
export class Checkpoints {
  readonly #directory: string;
  readonly #keep: number;

  constructor(directory: string, keep: number) {
    this.#directory = directory;
    this.#keep = keep;
  }

  /** Saves all states under the step, then removes checkpoints beyond those that are kept. */
  async save(policies: PolicySet, state: TrainerState): Promise<void> {
    const name = `step-${String(state.step).padStart(6, '0')}`;
    const partial = join(this.#directory, `partial-${name}`);
    const replaced = join(this.#directory, `replaced-${name}`);
    await remove(policies, partial);
    await remove(policies, replaced);
    await mkdir(partial, { recursive: true });
    await policies.saveState(partial);
    await writeAndSync(join(partial, 'trainer.json'), JSON.stringify(state));
    await syncDirectory(partial);
    if (existsSync(this.#pathOf(state.step))) await rename(this.#pathOf(state.step), replaced);
    await rename(partial, this.#pathOf(state.step));
    await syncDirectory(this.#directory);
    await remove(policies, replaced);
    for (const step of (await this.#steps()).slice(this.#keep)) await remove(policies, this.#pathOf(step));
  }

  /** The trainer state of the newest checkpoint, and where the policies' states are. */
  async latest(): Promise<{ readonly state: TrainerState; readonly directory: string } | undefined> {
    await this.#restoreReplaced();
    const [newest] = await this.#steps();
    if (newest === undefined) return undefined;
    const path = join(this.#pathOf(newest), 'trainer.json');
    const state = JSON.parse(await readFile(path, 'utf8')) as TrainerState;
    if (state.format !== 2)
      throw new TrainerError(`${path} has the format ${String(state.format)}; this version reads format 2`, {
        code: 'resume-mismatch',
      });
    return { state, directory: this.#pathOf(newest) };
  }

  /** Puts back a checkpoint that a process was killed while replacing, when it had nothing to show in its place. */
  async #restoreReplaced(): Promise<void> {
    await mkdir(this.#directory, { recursive: true });
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name.replace(/^replaced-/, ''));
      if (name.startsWith('replaced-') && !existsSync(path)) await rename(join(this.#directory, name), path);
    }
  }

  /** Steps with a checkpoint, newest first. */
  async #steps(): Promise<readonly number[]> {
    await mkdir(this.#directory, { recursive: true });
    const names = await readdir(this.#directory);
    return names
      .flatMap((name) => checkpointName.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => b - a);
  }

  #pathOf(step: number): string {
    return join(this.#directory, `step-${String(step).padStart(6, '0')}`);
  }
}

/** Deletes a checkpoint, and what its states hold elsewhere. */
async function remove(policies: PolicySet, checkpoint: string): Promise<void> {
  if (!existsSync(checkpoint)) return;
  await policies.discardState(checkpoint);
  await rm(checkpoint, { recursive: true, force: true });
}
