import { existsSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { ConfigurationError, type JsonValue } from '@agent-lightning/core';
import { writeFileAtomically } from '@agent-lightning/platform';
import { promptKit } from '@agent-lightning/tracing';
import { findStore, withStore, type CheckableStore, type StorePlace } from '../stored/open-store.ts';

/** The history of promoted prompts, and one version of them. */
export type PromptHistory = Awaited<ReturnType<typeof promptKit.readPromptHistory>>;
export type PromotedVersion = PromptHistory['versions'][number];

/** A place where promoted prompts are: a directory, or a store. */
export type PromptPlace =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'store'; readonly store: StorePlace };

/** Finds a place by what a user names: a `postgres://` URL, a file of SQLite, or a directory. */
export function findPromptPlace(name: string, directory: string, schema: string | undefined): PromptPlace {
  const path = resolve(directory, name);
  const isFile = existsSync(path) && statSync(path).isFile();
  if (isFile || schema !== undefined || /^postgres(ql)?:\/\//.test(name))
    return { kind: 'store', store: findStore(name, directory, schema) };
  return { kind: 'directory', path };
}

/** The resource of a store that has a promoted version, beside those that are served. */
const versionName = 'agentlightning.promoted-version';

/** Reads what was promoted to a place. @throws {ConfigurationError} `option-invalid` for a directory that does not exist */
export async function readHistory(place: PromptPlace): Promise<PromptHistory> {
  if (place.kind === 'directory') return await promptKit.readPromptHistory(place.path);
  return await withStore(place.store, readStored);
}

async function readStored(store: CheckableStore): Promise<PromptHistory> {
  const newest = await store.getResources(promptKit.promotedId);
  const versions: PromotedVersion[] = [];
  let current: number | undefined;
  for (let number = 1; number <= (newest?.version ?? 0); number += 1) {
    const kept = (await store.getResources(promptKit.promotedId, number))?.resources[versionName];
    const version = kept?.type === 'json' ? (kept.value as unknown as PromotedVersion) : undefined;
    // A version that was rolled back to is there once more; none is there for a return to the texts of the code.
    if (version !== undefined && !versions.some((known) => known.version === version.version)) versions.push(version);
    current = version?.version;
  }
  return { format: 1, versions, files: [], ...(current !== undefined && { current }) };
}

/** Makes a version the one that is served; undefined serves the texts of the code. It is added to the history where it is new. */
export async function serveVersion(
  place: PromptPlace,
  history: PromptHistory,
  version: PromotedVersion | undefined,
): Promise<readonly string[]> {
  if (place.kind === 'directory') return await serveInDirectory(place.path, history, version);
  const resources =
    version === undefined
      ? {}
      : {
          ...promptKit.toPromptResources(version.found, version.texts),
          [versionName]: { type: 'json', value: version as unknown as JsonValue } as const,
        };
  await withStore(place.store, (store) => store.putResources(promptKit.promotedId, resources));
  return [];
}

async function serveInDirectory(
  path: string,
  history: PromptHistory,
  version: PromotedVersion | undefined,
): Promise<readonly string[]> {
  await mkdir(path, { recursive: true });
  for (const file of history.files) await rm(join(path, file), { force: true });
  const files = version === undefined ? [] : await promptKit.writePromptFiles(path, version.texts, version);
  const isNew = version !== undefined && !history.versions.some((known) => known.version === version.version);
  const written: PromptHistory = {
    format: 1,
    ...(version !== undefined && { current: version.version }),
    versions: isNew ? [...history.versions, version] : history.versions,
    files,
  };
  // Last: an app that starts meanwhile reads the version before.
  await writeFileAtomically(join(path, promptKit.promotedFile), `${JSON.stringify(written, undefined, 2)}\n`);
  return files;
}

/** Returns a version of the history; without a number the one that is served. @throws {ConfigurationError} `option-invalid` when there is none */
export function findVersion({ versions, current }: PromptHistory, number: number | undefined): PromotedVersion {
  const wanted = number ?? current;
  const found = versions.find(({ version }) => version === wanted);
  if (found !== undefined) return found;
  const known = versions.map(({ version }) => version).join(', ') || 'none';
  throw new ConfigurationError(
    wanted === undefined
      ? `no version is served; name one of those that are there (${known}), or promote one by agent-lightning prompts promote RUN`
      : `there is no version ${wanted}; there are: ${known}`,
    { code: 'option-invalid' },
  );
}
