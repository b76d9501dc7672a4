import { existsSync } from 'node:fs';
import { mkdir, readFile, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BackendError, TimeoutError, type Logger } from '@agent-lightning/core';
import { replaceDirectory, type HubModelId } from '@agent-lightning/platform';
import { downloadFile } from './download-file.ts';
import { toHubError, type HubAccess } from './hub-access.ts';
import { listModelFiles, type ModelFiles } from './list-model-files.ts';

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
 * @throws {ConfigurationError} `option-invalid`; {BackendError} `disk-full` | `command-failed`; {TimeoutError} `cancelled`
 */
export async function downloadModel(download: ModelDownload): Promise<DownloadedModel> {
  const { id, directory, access, logger, signal } = download;
  const name = `${id.repository}@${id.revision}`;
  const model = await listModelFiles(id, access);
  const sizeBytes = model.files.reduce((sum, file) => sum + file.sizeBytes, 0);
  const { commit, leftOut } = model;
  const result = { directory, commit, sizeBytes, files: model.files.map(({ path }) => path), leftOut };
  if ((await readCommit(directory)) === commit) {
    logger.info(`download: ${name} is in ${directory} (commit ${commit})`);
    return { ...result, downloaded: false };
  }
  logger.info(`download: ${name} goes into ${directory}: ${model.files.length} files, ${toMegabytes(sizeBytes)} MB`);
  const staging = `${directory}.partial-${commit.slice(0, 12)}`;
  await mkdir(staging, { recursive: true });
  await requireSpace(staging, sizeBytes);
  try {
    await downloadFiles(download, model, staging, sizeBytes);
  } catch (error) {
    if (signal.aborted)
      throw new TimeoutError(`download: ${name} was stopped; run the command again, and it goes on where it stopped`, {
        code: 'cancelled',
        cause: error,
      });
    throw toHubError(name, error);
  }
  await writeFile(join(staging, recordName), `${JSON.stringify({ ...id, commit })}\n`);
  await replaceDirectory(staging, directory);
  return { ...result, downloaded: true };
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
  return (JSON.parse(await readFile(path, 'utf8')) as { readonly commit?: string }).commit;
}

async function requireSpace(directory: string, sizeBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(directory));
  const free = bavail * bsize;
  if (free >= sizeBytes) return;
  throw new BackendError(
    `download: ${dirname(directory)} has ${toMegabytes(free)} MB free, and the model takes ${toMegabytes(sizeBytes)} MB; make room, or give --directory on another disk`,
    { code: 'disk-full' },
  );
}

function toMegabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
