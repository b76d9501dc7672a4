import { existsSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { check } from '@agent-lightning/core';

/** A place where runs are: one run directory, a folder of several, or a project with such a folder `runs`. */
export interface RunPlace {
  readonly path: string;
  readonly isRun: boolean;
}

/**
 * Finds what a path names.
 * @throws {ConfigurationError} `option-invalid` for a path that is no folder
 */
export function findRunPlace(source: string): RunPlace {
  const path = resolve(source);
  if (!isFolder(path))
    throw check.optionInvalid('source', source, 'a run directory, or a folder with run directories in it');
  return { path, isRun: existsSync(join(path, 'run.json')) };
}

/**
 * Lists the run directories of a place by name: itself, or the folders in it, which may be more from one moment to the next. Where it has
 * none, they are those in its folder `runs`, which the first training makes.
 */
export async function listRunDirectories({ path, isRun }: RunPlace): Promise<ReadonlyMap<string, string>> {
  if (isRun) return new Map([[basename(path), path]]);
  const own = await listIn(path);
  const below = join(path, 'runs');
  return own.size === 0 && isFolder(below) ? await listIn(below) : own;
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

async function listIn(path: string): Promise<ReadonlyMap<string, string>> {
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name);
  const runs = names.filter((name) => existsSync(join(path, name, 'run.json'))).toSorted();
  return new Map(runs.map((name) => [name, join(path, name)]));
}
