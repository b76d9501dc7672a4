import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { open, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ReadableStream } from 'node:stream/web';
import { downloadFile as openFile } from '@huggingface/hub';
import { BackendError } from '@agent-lightning/core';
import { moveIntoPlace } from '@agent-lightning/platform';
import { toClientOptions, type HubAccess } from './hub-access.ts';
import type { ModelFile } from './list-model-files.ts';

/** The download of one file. */
export interface FileDownload {
  readonly repository: string;
  readonly commit: string;
  readonly file: ModelFile;
  /** The directory that the file is put into. */
  readonly directory: string;
  readonly access: HubAccess;
  readonly signal: AbortSignal;
  /** Called with the bytes that have come since the last call. */
  readonly onBytes: (count: number) => void;
}

/**
 * Downloads one file into a directory, or goes on where an earlier download stopped, and compares its digest. A file that is there
 * under its own name was compared already. While something comes, a connection that breaks is opened again.
 * @throws {BackendError} `command-failed` for content with another digest, which is removed; what the hub's client throws
 */
export async function downloadFile(download: FileDownload): Promise<void> {
  const { file, directory, onBytes } = download;
  const finished = join(directory, file.path);
  if (existsSync(finished)) return onBytes(file.sizeBytes);
  const partial = `${finished}.incomplete`;
  if (file.sizeBytes === 0) await writeFile(partial, '');
  let size = await sizeOf(partial);
  if (size > file.sizeBytes) {
    await rm(partial);
    size = 0;
  }
  onBytes(size);
  while (size < file.sizeBytes) {
    const before = size;
    try {
      await append(download, partial, size);
    } catch (error) {
      size = await sizeOf(partial);
      if (size === before || download.signal.aborted) throw error;
    }
    size = await sizeOf(partial);
    if (size === before) break; // the server has no more: the digest says so
  }
  await compareDigest(download, partial);
  await moveIntoPlace(partial, finished);
}

async function append(
  { repository, commit, file, access, signal, onBytes }: FileDownload,
  partial: string,
  from: number,
): Promise<void> {
  // The plain route serves ranges of every file; the other one, of pieces, would have to be put together again.
  const blob = await openFile({
    repo: repository,
    path: file.path,
    revision: commit,
    xet: false,
    ...toClientOptions(access, signal),
  });
  if (blob === null)
    throw new BackendError(`download: ${repository} has no file ${file.path} at ${commit}`, { code: 'command-failed' });
  const stream = blob.slice(from, file.sizeBytes).stream() as ReadableStream<Uint8Array>;
  const output = await open(partial, 'a');
  try {
    // Each piece is in the file before the next one is asked for: when the connection breaks, what has come is kept.
    for await (const piece of stream) {
      await output.writeFile(piece);
      onBytes(piece.length);
    }
  } finally {
    await output.close();
  }
}

async function compareDigest({ repository, file }: FileDownload, partial: string): Promise<void> {
  const { kind, hex } = file.digest;
  const hash: Hash =
    kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${await sizeOf(partial)}\0`);
  for await (const chunk of createReadStream(partial)) hash.update(chunk as Buffer);
  const found = hash.digest('hex');
  if (found === hex) return;
  await rm(partial, { force: true });
  throw new BackendError(
    `download: ${file.path} of ${repository} came with the digest ${found}, and the hub names ${hex}; it was removed`,
    { code: 'command-failed', retryable: true },
  );
}

async function sizeOf(path: string): Promise<number> {
  return existsSync(path) ? (await stat(path)).size : 0;
}
