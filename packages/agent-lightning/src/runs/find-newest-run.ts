import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { RunDirectory } from '@agent-lightning/run';

/**
 * Returns the directory of the run in `runs/` that began last.
 * @throws {ConfigurationError} `option-invalid` where there is none
 */
export async function findNewestRun(directory: string): Promise<string> {
  const runs = join(directory, 'runs');
  const names = existsSync(runs) ? await readdir(runs) : [];
  const directories = names.map((name) => join(runs, name));
  const begun = await Promise.all(directories.map(readStart));
  const newest = begun.flat().toSorted((one, other) => (one.startedAt < other.startedAt ? 1 : -1))[0];
  if (newest !== undefined) return newest.path;
  throw new ConfigurationError(`there is no run in ${runs}; name the run directory`, { code: 'option-invalid' });
}

/** Reads when the run of a directory began; none where it holds no run. */
async function readStart(path: string): Promise<readonly { readonly path: string; readonly startedAt: string }[]> {
  const record = await RunDirectory.readRecord(path);
  return record === undefined ? [] : [{ path, startedAt: record.startedAt }];
}
