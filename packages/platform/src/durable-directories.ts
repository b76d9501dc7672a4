import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BackendError, ConfigurationError } from '@agent-lightning/core';
import { syncDirectory, writeAndSync } from './durable-files.ts';
import { moveIntoPlace } from './move-into-place.ts';

/** The files that a directory is to hold, by name (no subfolders). Pieces are written as they are asked for, so that a large file need not be in memory. */
type DirectoryContent = ReadonlyMap<string, Uint8Array | string | Iterable<Uint8Array>>;

/**
 * Writes a directory beside its target, syncs it, and puts it in place as `replaceDirectory` does, with what that promises for a crash.
 *
 * @param replaceable names that an existing directory may hold to be replaced; anything else in it is kept, and is an error
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
    for (const [name, bytes] of content) await writeAndSync(join(staging, name), bytes);
    await syncDirectory(staging);
    await replaceDirectory(staging, target);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw fileSystemError(target, error);
  }
}

/**
 * Puts a finished directory where another one may be, on the same disk. A crash leaves the old one or the new one in place, or,
 * between two renames, the old one beside it under `<finished>.old`: never a mixture, and never neither.
 */
export async function replaceDirectory(finished: string, target: string): Promise<void> {
  const old = `${finished}.old`;
  const existed = await moveIntoPlace(target, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await moveIntoPlace(finished, target);
  } catch (error) {
    if (existed) await moveIntoPlace(old, target);
    throw error;
  }
  await syncDirectory(dirname(target));
  if (existed) await rm(old, { recursive: true, force: true });
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
