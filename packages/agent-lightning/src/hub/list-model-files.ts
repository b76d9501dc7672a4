import { listFiles, modelInfo } from '@huggingface/hub';
import { ConfigurationError } from '@agent-lightning/core';
import type { HubModelId } from '@agent-lightning/platform';
import { toClientOptions, type HubAccess } from './hub-access.ts';

/** A file of a model, and the digest by which its content is known. */
export interface ModelFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** `sha256` of the content where the hub stores it as a large file, else git's own digest of a blob. */
  readonly digest: { readonly kind: 'sha256' | 'git'; readonly hex: string };
}

/** The files of a model at one commit. */
export interface ModelFiles {
  /** The commit, 40 hexadecimal digits. */
  readonly commit: string;
  readonly files: readonly ModelFile[];
  /** Files that a model directory does not need, such as the same weights in other formats. */
  readonly leftOut: readonly string[];
}

/**
 * Asks the hub for the files of a model, and chooses those of a model directory.
 * @throws {ConfigurationError} `option-invalid` for a model that has no weights in safetensors
 * @throws what the hub's client throws; the signal's reason
 */
export async function listModelFiles(
  { repository, revision }: HubModelId,
  access: HubAccess,
  signal: AbortSignal,
): Promise<ModelFiles> {
  const name = `${repository}@${revision}`;
  const options = toClientOptions(access, signal);
  const { sha: commit } = await modelInfo({ name: repository, revision, additionalFields: ['sha'], ...options });
  const files: ModelFile[] = [];
  for await (const entry of listFiles({ repo: repository, revision: commit, recursive: true, ...options })) {
    if (entry.type !== 'file') continue;
    const { path, size, lfs, oid } = entry;
    const digest =
      lfs === undefined ? { kind: 'git' as const, hex: oid ?? '' } : { kind: 'sha256' as const, hex: lfs.oid };
    files.push({ path, sizeBytes: lfs?.size ?? size, digest });
  }
  return choose(name, commit, files);
}

const wanted = /\.(json|safetensors|jinja|txt|model|md)$|^LICENSE/i;

function choose(name: string, commit: string, all: readonly ModelFile[]): ModelFiles {
  const top = all.filter(({ path }) => /^[\w.-]+$/.test(path) && wanted.test(path));
  const hasParts = top.some(({ path }) => /^model.*\.safetensors$/.test(path));
  // Some repositories have the weights twice, the second time as one file in a layout of their maker's.
  const files = top.filter(({ path }) => !(hasParts && /^consolidated.*\.safetensors$/.test(path)));
  if (!files.some(({ path }) => path.endsWith('.safetensors')) || !files.some(({ path }) => path === 'config.json'))
    throw new ConfigurationError(
      `${name} has ${files.some(({ path }) => path === 'config.json') ? 'no weights in safetensors' : 'no config.json'}, so no backend reads it; its files: ${all
        .map(({ path }) => path)
        .slice(0, 20)
        .join(', ')}. Choose a repository with config.json, tokenizer.json and model.safetensors`,
      { code: 'option-invalid' },
    );
  const chosen = new Set(files);
  return { commit, files, leftOut: all.filter((file) => !chosen.has(file)).map(({ path }) => path) };
}
