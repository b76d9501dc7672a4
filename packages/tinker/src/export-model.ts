/** Exports trained weights as an ordinary directory: the whole model where the server merges it, else what its archive holds. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BackendError, ConfigurationError } from '@agent-lightning/core';
import { replaceDirectory, syncDirectory } from '@agent-lightning/platform';
import type { ServerTraits } from './server-kinds.ts';
import { download } from './download.ts';
import { deleteCheckpoint, parseCheckpointPath } from './server-checkpoints.ts';
import { malformed, type TinkerClient } from './tinker-client.ts';
import type { TinkerModel } from './tinker-model.ts';
import { isObject } from './protocol.ts';

export interface ExportRequest {
  readonly client: TinkerClient;
  readonly traits: ServerTraits;
  readonly model: TinkerModel;
  /** The directory with the tokenizer, which an archive may leave out. */
  readonly textDirectory: string;
  /** The target: new, empty, or an earlier export. */
  readonly directory: string;
}

/** Names of files that an export may hold. */
const exportedFile = /\.(?:json|safetensors|jinja|txt|model)$/;

/** Files that are copied beside weights that came without them, so that the directory can be used as it is. */
const textFiles = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja', 'special_tokens_map.json'];

/**
 * Writes the directory beside its target and renames it into place; an earlier export stays until the new one is there.
 * @throws {ConfigurationError} `option-invalid` when the target holds other files
 * @throws {BackendError} `backend-failed`
 */
export async function exportModel(request: ExportRequest): Promise<void> {
  const target = resolve(request.directory);
  await requireReplaceable(target);
  const staging = join(dirname(target), `.${basename(target)}.${randomUUID()}`);
  await mkdir(staging, { recursive: true });
  try {
    await (request.traits.exports === 'model' ? fetchModel(request, staging) : fetchArchive(request, staging));
    await syncDirectory(staging);
    await replaceDirectory(staging, target);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}

/** Downloads the whole model, into which the worker has merged the adapters. */
async function fetchModel({ client, model }: ExportRequest, staging: string): Promise<void> {
  const { path, files } = await model.save('export_model', (name) => ({ path: name, type: 'export_model' }));
  if (typeof path !== 'string' || !Array.isArray(files)) throw malformed('export_model', 'path');
  const { modelId, name } = parseCheckpointPath(path);
  const route = `/api/v1/exports/${encodeURIComponent(modelId)}/${encodeURIComponent(name)}`;
  for (const file of files as unknown[]) {
    const { name: fileName, size_bytes: sizeBytes } = isObject(file) ? file : {};
    if (typeof fileName !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(fileName) || typeof sizeBytes !== 'number')
      throw malformed('export_model', 'files');
    const target = join(staging, fileName);
    await download(client, { path: `${route}/${encodeURIComponent(fileName)}`, target, sizeBytes });
  }
  await deleteCheckpoint(client, path).catch(() => undefined); // what stays is a copy that nobody needs
}

/** Downloads and unpacks the archive of a sampler checkpoint: adapters or a whole model, as the server has it. */
async function fetchArchive({ client, model, textDirectory }: ExportRequest, staging: string): Promise<void> {
  const { path } = await model.save('save_weights_for_sampler', (name) => ({
    path: name,
    type: 'save_weights_for_sampler',
  }));
  if (typeof path !== 'string') throw malformed('save_weights_for_sampler', 'path');
  const { modelId, name } = parseCheckpointPath(path);
  const archive = `${staging}.tar`;
  try {
    const route = `/api/v1/training_runs/${encodeURIComponent(modelId)}/checkpoints/${encodeURIComponent(name)}/archive`;
    await download(client, { path: route, target: archive });
    await extract(archive, staging);
  } finally {
    await rm(archive, { force: true });
    await deleteCheckpoint(client, path).catch(() => undefined); // what stays is a copy that nobody needs
  }
  const present = await readdir(staging);
  for (const file of textFiles) {
    const source = join(textDirectory, file);
    if (!present.includes(file) && (await stat(source).catch(() => undefined))?.isFile())
      await copyFile(source, join(staging, file));
  }
}

/** Unpacks an archive with the system's tar, which knows compressed archives and writes only into its directory. */
async function extract(archive: string, directory: string): Promise<void> {
  const child = spawn('tar', ['-xf', archive, '-C', directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  let problem = '';
  child.stderr.on('data', (text: Buffer) => (problem += text.toString('utf8')));
  let code: unknown;
  try {
    [code] = (await once(child, 'close')) as [number | null];
  } catch (cause) {
    throw new BackendError(`Cannot run tar to unpack the exported weights: ${(cause as Error).message}; install it.`, {
      code: 'command-unavailable',
      cause,
    });
  }
  if (code !== 0)
    throw new BackendError(`The archive of the exported weights cannot be unpacked: ${problem.trim()}`, {
      code: 'backend-failed',
    });
}

/** Checks that the target holds nothing but an earlier export, which may be replaced. */
async function requireReplaceable(target: string): Promise<void> {
  const names = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new ConfigurationError(`${target} cannot be used for an export: ${error.message}.`, {
      code: 'option-invalid',
      cause: error,
    });
  });
  const isExport = names.some((name) => name === 'config.json' || name === 'adapter_config.json');
  const stranger = isExport ? names.find((name) => !exportedFile.test(name)) : names[0];
  if (stranger === undefined) return;
  throw new ConfigurationError(
    `${target} is not empty and holds '${stranger}'; give an empty or new directory for an export.`,
    { code: 'option-invalid' },
  );
}
