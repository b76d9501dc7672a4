import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { check } from '@agent-lightning/core';
import { Checkpoints, type SavedRun } from './checkpoint.ts';
import type { RunConfig } from './run-config.ts';
import { RunDirectory } from './run-directory.ts';

/** A checkpoint that was found by its name, and the options of its run. */
export interface NamedCheckpoint extends SavedRun {
  readonly config: RunConfig;
}

const withStep = /^(.+)@(\d+)$/;

/**
 * Finds a checkpoint by its name: `DIRECTORY@STEP`, or the run directory alone for its best step, and for its newest checkpoint where
 * the run chose none. Reads only, so that the run may go on meanwhile.
 * @throws {ConfigurationError} `option-invalid` for a directory without a run, and a step that is not kept
 */
export async function findSavedRun(name: string): Promise<NamedCheckpoint> {
  const isWhole = existsSync(join(name, 'run.json'));
  const [, directory = name, stepText] = isWhole ? [] : (withStep.exec(name) ?? []);
  const record = await RunDirectory.readRecord(directory);
  if (record === undefined)
    throw check.optionInvalid('checkpoint', name, 'a run directory, or a run directory and a step such as runs/a@20');
  const checkpoints = new Checkpoints(join(directory, 'checkpoints'), 1);
  const kept = await checkpoints.steps();
  const newest = kept[0] === undefined ? undefined : await checkpoints.find(kept[0]);
  const step = stepText === undefined ? (newest?.state.best?.step ?? kept[0]) : Number(stepText);
  const saved = step === undefined ? undefined : await checkpoints.find(step);
  if (saved !== undefined) return { ...saved, config: record.config };
  const list = kept.length === 0 ? 'none' : kept.toReversed().join(', ');
  throw check.optionInvalid('checkpoint', name, `a checkpoint that is kept; ${directory} has those of steps: ${list}`);
}
