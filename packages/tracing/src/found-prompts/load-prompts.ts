import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { check, ConfigurationError, type LightningStore, type NamedResources } from '@agent-lightning/core';
import { checkFound, readWirePrompts, toPromptResources } from './prompt-resources.ts';
import type { FoundPrompt } from './replace-prompts.ts';

/** Prompts that were promoted, as they are served: give them to `withLightning` and to `promptTemplate`. */
export interface LoadedPrompts {
  /** The version that is served; undefined when none was promoted, and everything stays as it stands in the code. */
  readonly version: number | undefined;
  readonly resources: NamedResources;
}

/** A version of the prompts of an agent, as it was promoted. */
export interface PromotedVersion {
  /** 1 for the first, then one more each. */
  readonly version: number;
  /** ISO 8601. */
  readonly promotedAt: string;
  /** The run directory that it comes from. */
  readonly run: string;
  /** The mean reward on the selection tasks of that run, and that of the prompts as they were. */
  readonly score?: number;
  readonly scoreBefore?: number;
  readonly texts: Readonly<Record<string, string>>;
  /** The texts as they stood in the code. */
  readonly before: Readonly<Record<string, string>>;
  /** The prompts that were found in model calls, of those that have texts. */
  readonly found: readonly FoundPrompt[];
}

/** The history of the prompts in a directory. */
export interface PromptHistory {
  readonly format: 1;
  /** The version that is served; undefined for the prompts as they stand in the code. */
  readonly current?: number;
  readonly versions: readonly PromotedVersion[];
  /** The files for people that show the version that is served. */
  readonly files: readonly string[];
}

/** The file of a directory that has its history, and the id of the resources in a store. */
export const promotedFile = 'promoted.json';
export const promotedId = 'promoted-prompts';

/**
 * Loads the prompts that `agent-lightning prompts promote` has put into a directory or a store. Where none was promoted, nothing is served and every text
 * stays as it is in the code. @param source a directory that exists, or a store @throws {ConfigurationError} `option-invalid` for a directory that does not exist, or a file that is none of ours
 */
export async function loadPrompts(source: string | Pick<LightningStore, 'getResources'>): Promise<LoadedPrompts> {
  if (typeof source !== 'string') {
    if (typeof source?.getResources !== 'function')
      throw check.optionInvalid('loadPrompts', source, 'a directory, or a store');
    const kept = await source.getResources(promotedId);
    return freeze(kept?.version, kept?.resources ?? {});
  }
  const { versions, current } = await readPromptHistory(source);
  const served = versions.find(({ version }) => version === current);
  return freeze(served?.version, served === undefined ? {} : toPromptResources(served.found, served.texts));
}

function freeze(version: number | undefined, resources: NamedResources): LoadedPrompts {
  readWirePrompts(resources); // what cannot be served is refused now, not in a request
  return Object.freeze({ version: Object.keys(resources).length === 0 ? undefined : version, resources });
}

/** Reads the history of a directory; an empty one where nothing was promoted. @throws {ConfigurationError} `option-invalid` */
export async function readPromptHistory(directory: string): Promise<PromptHistory> {
  const isDirectory = await stat(directory).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isDirectory)
    throw check.optionInvalid(
      'the directory of prompts',
      directory,
      'a directory, as agent-lightning prompts promote makes it',
    );
  const file = join(directory, promotedFile);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as { readonly code?: unknown }).code === 'ENOENT') return { format: 1, versions: [], files: [] };
    throw error;
  }
  return checkHistory(file, text);
}

function checkHistory(file: string, text: string): PromptHistory {
  try {
    const history = JSON.parse(text) as PromptHistory;
    if (history.format !== 1) throw new TypeError(`its format is ${String(history.format)}, and this version reads 1`);
    for (const { texts, found } of history.versions) {
      found.forEach(checkFound);
      if (!Object.values(texts).every((each) => typeof each === 'string'))
        throw new TypeError('a text of it is no text');
    }
    return history;
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new ConfigurationError(
      `${file} is no history of prompts that agent-lightning prompts promote has written: ${problem}`,
      { code: 'option-invalid', cause: error },
    );
  }
}

/** Checks prompts that a wrapper or a template is given. @throws {ConfigurationError} `option-invalid` */
export function checkLoaded(option: string, given: LoadedPrompts): LoadedPrompts {
  if (given instanceof Promise || typeof given?.resources !== 'object' || given.resources === null)
    throw check.optionInvalid(option, given, 'what loadPrompts gives: await loadPrompts(…)');
  return given;
}
