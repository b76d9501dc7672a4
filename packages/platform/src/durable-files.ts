import { open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { moveIntoPlace } from './move-into-place.ts';

/** Writes a file so that it is whole or as it was before, also when the machine loses power. @param mode who may read it, such as 0o600; by default as the process's umask says */
export async function writeFileAtomically(path: string, text: string, mode?: number): Promise<void> {
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeAndSync(partial, text, mode);
    await moveIntoPlace(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
  await syncDirectory(dirname(path));
}

/** Writes a file, whole or piece by piece, and waits until it is on the disk. */
export async function writeAndSync(
  path: string,
  content: string | Uint8Array | Iterable<Uint8Array>,
  mode?: number,
): Promise<void> {
  const file = await open(path, 'w', mode);
  try {
    const pieces = typeof content === 'string' || content instanceof Uint8Array ? [content] : content;
    for (const piece of pieces) await file.writeFile(piece); // each goes where the one before it ended
    await file.sync();
  } finally {
    await file.close();
  }
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
