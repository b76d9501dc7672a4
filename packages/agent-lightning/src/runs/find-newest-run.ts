import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';

/**
 * Returns the directory of the run in `runs/` that began last.
 * @throws {ConfigurationError} `option-invalid` where there is none
 */
export async function findNewestRun(directory: string): Promise<string> {
  const runs = join(directory, 'runs');
  const names = existsSync(runs) ? await readdir(runs) : [];
  const directories = names.map((name) => join(runs, name)).filter((path) => existsSync(join(path, 'run.json')));
  const begun = await Promise.all(directories.map(async (path) => ({ path, startedAt: await readStart(path) })));
  const newest = begun.toSorted((one, other) => (one.startedAt < other.startedAt ? 1 : -1))[0];
  if (newest !== undefined) return newest.path;
  throw new ConfigurationError(`there is no run in ${runs}; name the run directory`, { code: 'option-invalid' });
}

async function readStart(path: string): Promise<string> {
  const record = JSON.parse(await readFile(join(path, 'run.json'), 'utf8')) as { readonly startedAt?: string };
  return record.startedAt ?? '';
}
