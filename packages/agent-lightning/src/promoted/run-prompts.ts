import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ConfigurationError } from '@agent-lightning/core';
import { promptKit, type FoundPrompt } from '@agent-lightning/tracing';

type Texts = Readonly<Record<string, string>>;

/** A candidate of a search, as its run lists it. */
export interface ListedCandidate {
  readonly id: string;
  /** The step that made it; 0 for the prompts as they stand in the code. */
  readonly step: number;
  readonly score?: number;
}

/** The result of a search over prompts, as it is in its run directory. */
export interface RunPrompts {
  readonly texts: Texts;
  /** The texts as they stood in the code. */
  readonly before: Texts;
  readonly found: readonly FoundPrompt[];
  readonly candidates: readonly ListedCandidate[];
  readonly score?: number;
  readonly scoreBefore?: number;
}

interface CandidatesFile {
  readonly score?: number;
  readonly scoreBefore?: number;
  readonly before?: Texts;
  readonly candidates?: readonly ListedCandidate[];
  readonly history?: readonly (ListedCandidate & { readonly roundScore?: number })[];
}

/** Tells whether a directory is that of a run. */
export function isRunDirectory(directory: string): boolean {
  return existsSync(join(directory, 'run.json'));
}

/** Reads the result of a search. @throws {ConfigurationError} `option-invalid` for a run that has not ended, or improved no prompts */
export async function readRunPrompts(run: string): Promise<RunPrompts> {
  const file = (name: string): string => join(run, 'model', name);
  if (!existsSync(file('prompts.json')) || !existsSync(file('candidates.json')))
    throw new ConfigurationError(
      isRunDirectory(run)
        ? `${run} has no prompts: its run has not ended, or its algorithm is none that improves prompts (gepa, apo)`
        : `${run} is no run directory: it has no run.json`,
      { code: 'option-invalid' },
    );
  const texts = await readJson<Texts>(file('prompts.json'));
  const { score, scoreBefore, before, candidates, history } = await readJson<CandidatesFile>(file('candidates.json'));
  const found = existsSync(file('found-prompts.json'))
    ? await readJson<readonly unknown[]>(file('found-prompts.json'))
    : [];
  return {
    texts,
    before: before ?? {},
    found: found.map(promptKit.checkFound),
    candidates: (candidates ?? history ?? []).map((candidate) => toListed(candidate)),
    ...(score !== undefined && { score }),
    ...(scoreBefore !== undefined && { scoreBefore }),
  };
}

function toListed({
  id,
  step,
  score,
  roundScore,
}: ListedCandidate & { readonly roundScore?: number }): ListedCandidate {
  const known = score ?? roundScore;
  return { id, step, ...(known !== undefined && { score: known }) };
}

async function readJson<Content>(file: string): Promise<Content> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Content;
  } catch (error) {
    throw new ConfigurationError(`${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`, {
      code: 'option-invalid',
      cause: error,
    });
  }
}
