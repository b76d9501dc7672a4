/** Checks ports, disk space, and folders that must be writable. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { rm, stat, statfs, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { fault, note, ok, type Finding } from './finding.ts';

/** Checks that a port of this machine is free. */
export async function checkPort(port: number): Promise<Finding> {
  const server = createServer();
  try {
    server.listen({ port, host: '127.0.0.1', exclusive: true });
    await once(server, 'listening');
    return ok('port', `port ${port} is free`);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const advice = `end what uses it (\`lsof -i :${port}\` or \`ss -ltnp\` name it), or give another port; port 0 takes any free one`;
    if (code === 'EADDRINUSE') return fault('port', `port ${port} is taken by another process`, advice);
    if (code === 'EACCES')
      return fault(
        'port',
        `port ${port} is not allowed for this user`,
        'take a port from 1024 on; port 0 takes any free one',
      );
    return fault('port', `port ${port} cannot be listened on: ${message}`, advice);
  } finally {
    server.close();
  }
}

const mebibyte = 2 ** 20;
/** A run of a small model needs about as much: checkpoints, store and report. */
const leastBytes = 1024 * mebibyte;

/** Checks the disks of some folders, each disk once. */
export async function checkDisks(paths: readonly string[]): Promise<readonly Finding[]> {
  const folders = new Map<number, string>();
  for (const path of paths) {
    const folder = findExisting(path);
    const { dev } = await stat(folder);
    if (!folders.has(dev)) folders.set(dev, folder);
  }
  return await Promise.all([...folders.values()].map(async (folder) => await checkDisk(folder)));
}

/** Checks that the disk of a folder has room for a run. */
export async function checkDisk(folder: string, least: number = leastBytes): Promise<Finding> {
  const { bavail, bsize, ffree, files } = await statfs(folder);
  const free = bavail * bsize;
  const [has, needs] = [free, least].map((bytes) => `${Math.floor(bytes / mebibyte)} MB`);
  const advice =
    'make room, or keep runs on another disk by the option runDirectory, and caches by AGENT_LIGHTNING_CACHE';
  if (free < least) return fault('disk', `${has} are free on the disk of ${folder}, and a run needs ${needs}`, advice);
  // File systems without a fixed number of files report none.
  if (files > 0 && ffree === 0) return fault('disk', `the disk of ${folder} can hold no more files`, advice);
  return ok('disk', `${has} are free on the disk of ${folder}`);
}

/** Checks that files can be made in a folder, or in the nearest one above that exists. */
export async function checkFolder(path: string, purpose: string): Promise<Finding> {
  const folder = findExisting(path);
  const name = `${folder}, for ${purpose},`;
  const advice = `give this user the right to write there (\`chmod u+w\`, \`chown\`), mount it writable, or name another folder (runDirectory for runs, AGENT_LIGHTNING_CACHE for caches)`;
  const probe = join(folder, `.agent-lightning-doctor-${randomUUID()}`);
  try {
    await writeFile(probe, '');
    await rm(probe);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // That the disk is full is told by its own check.
    if (code === 'ENOSPC') return note('folder', `${name} was not tried, for its disk is full`);
    return fault('folder', `${name} is not writable: ${message}`, advice);
  }
  const { mode } = await stat(folder);
  // The superuser writes into every folder; whoever runs the training later may not.
  const isForRootAlone = process.platform !== 'win32' && (mode & 0o222) === 0;
  if (isForRootAlone)
    return fault(
      'folder',
      `${name} is read-only (mode ${(mode & 0o777).toString(8)}): only the superuser can write there`,
      advice,
    );
  return ok('folder', `${name} is writable`);
}

function findExisting(path: string): string {
  let folder = path;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
