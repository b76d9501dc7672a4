import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Writes a file so that it is whole or as it was before, also when the machine loses power. */
export async function writeFileAtomically(path: string, text: string): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeAndSync(partial, text);
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Writes a new file and waits until it is on the disk. */
export async function writeAndSync(path: string, text: string): Promise<void> {
  const file = await open(path, 'w');
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/**
 * Puts a finished directory where another one may be, on the same disk. A crash leaves the old one or the new one in place, or,
 * between two renames, the old one beside it under `<finished>.old`: never a mixture, and never neither.
 */
export async function replaceDirectory(finished: string, target: string): Promise<void> {
  const old = `${finished}.old`;
  const existed = await rename(target, old).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false;
      throw error;
    },
  );
  try {
    await rename(finished, target);
  } catch (error) {
    if (existed) await rename(old, target);
    throw error;
  }
  await syncDirectory(dirname(target));
  if (existed) await rm(old, { recursive: true, force: true });
}

/** Waits until a directory's entries are on the disk; does nothing where directories cannot be opened (Windows). */
export async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
