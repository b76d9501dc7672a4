import { join } from 'node:path';
import { TrainerError } from '@agent-lightning/core';

/** Keeps a second process out of a run directory. The operating system frees the lock when this process ends, however it ends. */
export interface RunLock {
  release(): void;
}

/** Locks a run directory. @throws {TrainerError} `run-locked` when another run, here or in another process, has the directory */
export async function lockRun(directory: string): Promise<RunLock> {
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(join(directory, 'run.lock'));
  try {
    // A dashboard that looks whether a process trains here reads the file for a moment: that is waited for.
    database.exec('PRAGMA busy_timeout = 250; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    if (!(error instanceof Error) || !/locked|busy/i.test(error.message)) throw error;
    throw new TrainerError(`another process trains in ${directory}; wait until it ends, or give another runDirectory`, {
      code: 'run-locked',
      retryable: true,
      cause: error,
    });
  }
  return { release: () => database.close() };
}
