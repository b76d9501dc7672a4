import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { ConfigurationError, type JsonValue, type NamedResources } from '@agent-lightning/core';
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

/**
 * Finds a place by what a user names: a `postgres://` URL, a file of SQLite, or a directory.
 * @throws {ConfigurationError} `option-invalid` for a file of SQLite that does not exist: as a directory it would be a surprise
 */
export function findPromptPlace(name: string, directory: string, schema: string | undefined): PromptPlace {
  const path = resolve(directory, name);
  const isFile = existsSync(path) && statSync(path).isFile();
  const isMissingFile = !existsSync(path) && /\.(db|sqlite3?)$/i.test(path);
  if (isFile || isMissingFile || schema !== undefined || /^postgres(ql)?:\/\//.test(name))
    return { kind: 'store', store: findStore(name, { directory }, schema) };
  return { kind: 'directory', path };
}

const { promotedId, promotedVersionName } = promptKit;
/** The resource of a store that has the versions that were served before. */
const servedBeforeName = 'agentlightning.served-before';

/** Reads what was promoted to a place. @throws {ConfigurationError} `option-invalid` for a directory that does not exist */
export async function readHistory(place: PromptPlace): Promise<PromptHistory> {
  if (place.kind === 'directory') return await promptKit.readPromptHistory(place.path);
  return await withStore(place.store, readStored);
}

async function readStored(store: CheckableStore): Promise<PromptHistory> {
  const newest = await store.getResources(promotedId);
  const versions: PromotedVersion[] = [];
  let current: number | undefined;
  for (let number = 1; number <= (newest?.version ?? 0); number += 1) {
    const version = readJson((await store.getResources(promotedId, number))?.resources, promotedVersionName);
    // A version that was rolled back to is there once more; none is there for a return to the texts of the code.
    current = version === undefined ? undefined : addVersion(versions, version as unknown as PromotedVersion);
  }
  const servedBefore = readJson(newest?.resources, servedBeforeName) as readonly number[] | undefined;
  return {
    format: 1,
    versions,
    files: [],
    ...(current !== undefined && { current }),
    ...(servedBefore !== undefined && { servedBefore }),
  };
}

function readJson(resources: NamedResources | undefined, name: string): JsonValue | undefined {
  const resource = resources?.[name];
  return resource?.type === 'json' ? resource.value : undefined;
}

/** Adds a version that is not known yet, and returns its number: of two that were promoted at once with one number the later has the next. */
function addVersion(versions: PromotedVersion[], version: PromotedVersion): number {
  const known = versions.find((each) => hasSameContent(each, version));
  if (known !== undefined) return known.version;
  const isTaken = versions.some((each) => each.version === version.version);
  const number = isTaken ? nextNumber(versions) : version.version;
  versions.push({ ...version, version: number });
  return number;
}

function hasSameContent(one: PromotedVersion, other: PromotedVersion): boolean {
  return isDeepStrictEqual({ ...one, version: 0 }, { ...other, version: 0 });
}

/** Returns the number of a version that is promoted next. */
export function nextNumber(versions: readonly PromotedVersion[]): number {
  return Math.max(0, ...versions.map(({ version }) => version)) + 1;
}

/** Returns the versions that were served before the current one, the newest last. */
export function listServedBefore({ versions, current, servedBefore }: PromptHistory): readonly number[] {
  return servedBefore ?? versions.map(({ version }) => version).filter((version) => version < (current ?? 0));
}

/** Returns what has been served before once another version is served: all before, and the current one. */
export function listServed(history: PromptHistory): readonly number[] {
  return history.current === undefined ? [] : [...listServedBefore(history), history.current];
}

/** A version that is served now, with its number in the history and its files. */
export interface ServedVersion {
  readonly number: number | undefined;
  readonly files: readonly string[];
}

/**
 * Makes a version the one that is served; undefined serves the texts of the code. It is added to the history where it is new.
 * @param servedBefore the versions that a rollback returns to, the newest last @throws {ConfigurationError} `option-invalid` for a directory that changed meanwhile
 */
export async function serveVersion(
  place: PromptPlace,
  history: PromptHistory,
  version: PromotedVersion | undefined,
  servedBefore: readonly number[],
): Promise<ServedVersion> {
  if (place.kind === 'directory') return await serveInDirectory(place.path, history, version, servedBefore);
  return await withStore(place.store, (store) => serveInStore(store, version, servedBefore));
}

async function serveInStore(
  store: CheckableStore,
  version: PromotedVersion | undefined,
  servedBefore: readonly number[],
): Promise<ServedVersion> {
  if (version === undefined) {
    await store.putResources(promotedId, {});
    return { number: undefined, files: [] };
  }
  const put = (numbered: PromotedVersion, before: readonly number[]): Promise<unknown> =>
    store.putResources(promotedId, {
      ...promptKit.toPromptResources(numbered.found, numbered.texts),
      [promotedVersionName]: { type: 'json', value: numbered as unknown as JsonValue },
      [servedBeforeName]: { type: 'json', value: [...before] },
    });
  await put(version, servedBefore);
  const { versions, current } = await readStored(store);
  const number = versions.find((each) => hasSameContent(each, version))?.version ?? version.version;
  // Another one was promoted at the same time, and has the number: apps are to see which of them they serve.
  if (number !== version.version && number === current)
    await put({ ...version, version: number }, [...servedBefore, version.version]);
  return { number, files: [] };
}

async function serveInDirectory(
  path: string,
  history: PromptHistory,
  version: PromotedVersion | undefined,
  servedBefore: readonly number[],
): Promise<ServedVersion> {
  if (existsSync(path) && !isDeepStrictEqual(await promptKit.readPromptHistory(path), history))
    throw new ConfigurationError(
      `the prompts in ${path} were changed by another command meanwhile; run this one again`,
      {
        code: 'option-invalid',
      },
    );
  const files = await promptKit.writePromptFiles(path, version?.texts ?? {}, version ?? {}, history.files);
  const isNew = version !== undefined && !history.versions.some((known) => known.version === version.version);
  const written: PromptHistory = {
    format: 1,
    ...(version !== undefined && { current: version.version }),
    versions: isNew ? [...history.versions, version] : history.versions,
    servedBefore,
    files,
  };
  // Last: an app that starts meanwhile reads the version before.
  await writeFileAtomically(join(path, promptKit.promotedFile), `${JSON.stringify(written, undefined, 2)}\n`);
  return { number: version?.version, files };
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
