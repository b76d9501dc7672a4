import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BackendError, ConfigurationError, TimeoutError, type Logger } from '@agent-lightning/core';
import { replaceDirectory, type HubModelId } from '@agent-lightning/platform';
import { downloadFile } from './download-file.ts';
import { toHubError, type HubAccess } from './hub-access.ts';
import { listModelFiles, type ModelFile, type ModelFiles } from './list-model-files.ts';

/** The download of a model. */
export interface ModelDownload {
  readonly id: HubModelId;
  /** The directory that the model is put into; it appears whole or not at all. */
  readonly directory: string;
  readonly access: HubAccess;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A model on this machine. It is JSON. */
export interface DownloadedModel {
  readonly directory: string;
  readonly commit: string;
  readonly sizeBytes: number;
  readonly files: readonly string[];
  readonly leftOut: readonly string[];
  /** False where this commit was there already. */
  readonly downloaded: boolean;
}

/** The file in a downloaded model that says where it is from. */
const recordName = 'download.json';

/**
 * Downloads a model, says its size first, and compares every file with its digest. What an earlier download of the same commit left is used.
 * @throws {ConfigurationError} `option-invalid`, also for a directory with other files; {BackendError} `disk-full` | `command-failed`; {TimeoutError} `cancelled`
 */
export async function downloadModel(download: ModelDownload): Promise<DownloadedModel> {
  const { id, directory, access, logger, signal } = download;
  const name = `${id.repository}@${id.revision}`;
  const found = await readCommit(directory);
  if (found === undefined) await requireEmpty(directory);
  const model = await untilStopped(name, signal, async () => await listModelFiles(id, access, signal));
  const sizeBytes = model.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const { commit, leftOut } = model;
  const result = { directory, commit, sizeBytes, files: model.files.map(({ path }) => path), leftOut };
  if (found === commit) {
    logger.info(`download: ${name} is in ${directory} (commit ${commit})`);
    return { ...result, downloaded: false };
  }
  logger.info(`download: ${name} goes into ${directory}: ${model.files.length} files, ${toMegabytes(sizeBytes)} MB`);
  const staging = `${directory}.partial-${commit.slice(0, 12)}`;
  await mkdir(staging, { recursive: true });
  await requireSpace(staging, sizeBytes - (await sumSizes(staging, model.files)));
  await untilStopped(name, signal, async () => await downloadFiles(download, model, staging, sizeBytes));
  await writeFile(join(staging, recordName), `${JSON.stringify({ ...id, commit })}\n`);
  await replaceDirectory(staging, directory);
  return { ...result, downloaded: true };
}

/** Does what asks the hub. @throws {TimeoutError} `cancelled` where the signal ended it; the project's error for another of the hub's */
async function untilStopped<Result>(name: string, signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!signal.aborted) throw toHubError(name, error);
    throw new TimeoutError(`download: ${name} was stopped; run the command again, and it goes on where it stopped`, {
      code: 'cancelled',
      cause: error,
    });
  }
}

async function downloadFiles(
  { id: { repository }, access, logger, signal }: ModelDownload,
  { commit, files }: ModelFiles,
  directory: string,
  sizeBytes: number,
): Promise<void> {
  let [done, told] = [0, 0];
  const onBytes = (count: number): void => {
    done += count;
    const tenth = Math.floor((done / Math.max(1, sizeBytes)) * 10);
    if (tenth <= told || tenth >= 10) return;
    told = tenth;
    logger.info(`download: ${toMegabytes(done)} of ${toMegabytes(sizeBytes)} MB`);
  };
  for (const file of files) await downloadFile({ repository, commit, file, directory, access, signal, onBytes });
}

async function readCommit(directory: string): Promise<string | undefined> {
  const path = join(directory, recordName);
  if (!existsSync(path)) return undefined;
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as { readonly commit?: string } | null)?.commit;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined; // a file of somebody else
    throw error;
  }
}

/** Refuses a directory with files that no download wrote: a model takes the place of the whole directory. */
async function requireEmpty(directory: string): Promise<void> {
  const isFile = existsSync(directory) && !(await stat(directory)).isDirectory();
  const [name] = isFile || !existsSync(directory) ? [] : await readdir(directory);
  if (!isFile && name === undefined) return;
  throw new ConfigurationError(
    `download: ${directory} ${isFile ? 'is a file' : `holds '${name}', which download did not write`}; give a new or empty directory by --directory`,
    { code: 'option-invalid' },
  );
}

/** Returns the bytes of the files, whole or in part, that an earlier download left. */
async function sumSizes(directory: string, files: readonly ModelFile[]): Promise<number> {
  const paths = files.flatMap(({ path }) => [join(directory, path), join(directory, `${path}.incomplete`)]);
  const sizes = await Promise.all(paths.map(async (path) => (existsSync(path) ? (await stat(path)).size : 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function requireSpace(directory: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(directory));
  const free = bavail * bsize;
  if (free >= sizeBytes) return;
  throw new BackendError(
    `download: ${dirname(directory)} has ${toMegabytes(free)} MB free, and the model takes ${toMegabytes(sizeBytes)} MB more; make room, or give --directory on another disk`,
    { code: 'disk-full' },
  );
}

function toMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
