/** Directories that appear whole or not at all. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

import { BackendError, ConfigurationError } from '@agent-lightning/core';

/** What a directory is to hold: file names (no subfolders) and their bytes. */
export type DirectoryContent = ReadonlyMap<string, Uint8Array | string>;

/**
 * Writes a directory beside its target, syncs it, and renames it into place. A crash leaves the old content, the new one, or
 * (between two renames, when an old one is replaced) none; never a mixture.
 *
 * @param replaceable names that an existing directory may hold to be replaced; anything else in it is someone's and is kept
 * @throws {ConfigurationError} `option-invalid` when the target holds other files
 * @throws {BackendError} `disk-full` | `backend-failed` when the file system refuses
 */
export async function writeDirectoryAtomically(
  directory: string,
  content: DirectoryContent,
  replaceable: readonly string[],
): Promise<void> {
  const target = resolve(directory);
  const parent = dirname(target);
  const staging = join(parent, `.${basename(target)}.${randomUUID()}`);
  const existing = await listDirectory(target);
  const strangers = existing?.filter((name) => !replaceable.includes(name)) ?? [];
  if (strangers.length > 0) {
    throw new ConfigurationError(
      `${target} is not empty and holds '${strangers[0]}', which this call did not write; give an empty or new directory.`,
      { code: 'option-invalid' },
    );
  }
  try {
    await mkdir(staging, { recursive: true });
    for (const [name, bytes] of content) await writeSynced(join(staging, name), bytes);
    await syncDirectory(staging);
    await moveInto(staging, target, existing !== undefined);
    await syncDirectory(parent);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw fileSystemError(target, error);
  }
}

async function moveInto(staging: string, target: string, exists: boolean): Promise<void> {
  if (!exists) return rename(staging, target);
  const old = `${staging}.old`;
  await rename(target, old);
  await rename(staging, target);
  await rm(old, { recursive: true, force: true });
}

async function writeSynced(path: string, bytes: Uint8Array | string): Promise<void> {
  const file = await open(path, 'wx');
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes renames durable; Windows has no such call and needs none. */
async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function listDirectory(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code === 'ENOTDIR')
      throw new ConfigurationError(`${path} is a file, not a directory.`, { code: 'option-invalid', cause: error });
    throw fileSystemError(path, error);
  }
}

function fileSystemError(path: string, error: unknown): BackendError {
  const full = (error as NodeJS.ErrnoException).code === 'ENOSPC';
  const reason = full ? 'the disk is full' : String((error as Error).message);
  return new BackendError(`Cannot write ${path}: ${reason}.`, {
    code: full ? 'disk-full' : 'backend-failed',
    retryable: full,
    cause: error,
  });
}
