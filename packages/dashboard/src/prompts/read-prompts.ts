import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Checkpoints } from '@agent-lightning/run';
import type { RunFiles } from '../runs/run-files.ts';
import { findLeaders, findUndominated, meanOf, meansOf } from './fronts.ts';
import { promptSearches } from './prompt-searches.ts';
import type { PromptCandidate, PromptSearch } from './shapes.ts';

/** A candidate as a search writes it; what is wrong in it is left out. */
interface WrittenCandidate {
  readonly id: string;
  readonly step: number;
  readonly parents: readonly string[];
  readonly texts: Readonly<Record<string, string>>;
  readonly score?: number;
  readonly scores?: readonly number[];
  readonly rewards?: readonly Readonly<Record<string, number>>[];
}

interface Written {
  readonly selection: readonly number[];
  readonly candidates: readonly WrittenCandidate[];
}

/** Reads the prompts of a run; undefined for one whose algorithm searches none. */
export async function readPrompts(files: RunFiles): Promise<PromptSearch | undefined> {
  const algorithm = (await files.record())?.config['algorithm.name'];
  if (!promptSearches.includes(algorithm)) return undefined;
  const common = { algorithm: String(algorithm) };
  const model = join(files.directory, 'model');
  const result = toWritten(await readJson(join(model, 'candidates.json')));
  if (result !== undefined)
    return { ...common, source: 'result', ...describe(result, await readJson(join(model, 'prompts.json'))) };
  const checkpoint = await readCheckpoint(files.directory, common.algorithm);
  if (checkpoint !== undefined)
    return { ...common, source: 'checkpoint', step: checkpoint.step, ...describe(checkpoint.written, undefined) };
  return { ...common, source: 'none', selection: [], dimensions: [], candidates: [] };
}

async function readCheckpoint(
  directory: string,
  algorithm: string,
): Promise<{ readonly step: number; readonly written: Written } | undefined> {
  const checkpoints = join(directory, 'checkpoints');
  for (const step of await new Checkpoints(checkpoints, 1).steps()) {
    const name = `step-${String(step).padStart(6, '0')}`;
    const written = toWritten(await readJson(join(checkpoints, name, `${algorithm}.json`)));
    if (written !== undefined) return { step, written };
  }
  return undefined;
}

function describe(
  { selection, candidates }: Written,
  best: unknown,
): Pick<PromptSearch, 'selection' | 'dimensions' | 'candidates'> {
  const leaders = findLeaders(candidates, selection.length);
  const dimensions = [
    ...new Set(candidates.flatMap(({ rewards = [] }) => rewards.flatMap((named) => Object.keys(named)))),
  ];
  const several = dimensions.length > 1 ? dimensions : [];
  const means = candidates.map((candidate) => meansOf(candidate, several));
  const undominated = findUndominated(means);
  const sorted = candidates.map(({ score = -Infinity }) => score);
  const highest = sorted.indexOf(Math.max(...sorted));
  const bestAt = candidates.findIndex(({ texts }) => isDeepStrictEqual(texts, best));
  return {
    selection,
    dimensions: several,
    candidates: candidates.map((candidate, index): PromptCandidate => {
      const { id, step, parents, texts, score, scores } = candidate;
      const led = leaders.filter((front) => front.includes(index));
      return {
        id,
        step,
        parents,
        texts,
        ...(score !== undefined && { score }),
        ...(several.length > 0 && means[index] !== undefined && { means: means[index] }),
        ...(scores !== undefined && {
          scores,
          leads: led.length,
          leadsAlone: led.filter((front) => front.length === 1).length,
        }),
        ...(several.length > 0 && { isUndominated: undominated.has(index) }),
        isBest: index === (bestAt === -1 ? highest : bestAt),
      };
    }),
  };
}

/**
 * Reads what a search wrote: `candidates.json` of the result, or its state in a checkpoint. GEPA names parents by their position, APO by
 * their id.
 */
function toWritten(file: unknown): Written | undefined {
  if (!isObject(file)) return undefined;
  const pool = file['candidates'] ?? file['pool'];
  const listed = Array.isArray(pool) ? pool : listApo(file);
  if (listed === undefined) return undefined;
  const objects = listed.filter(isObject);
  const ids = objects.map(({ id }) => String(id));
  return {
    selection: Array.isArray(file['selection']) ? file['selection'].filter((task) => typeof task === 'number') : [],
    candidates: objects.flatMap((each) => toCandidate(each, ids)),
  };
}

/** Returns the candidates of APO: those that were compared, with the scores of the two that have run all selection tasks. */
function listApo(file: Readonly<Record<string, unknown>>): readonly unknown[] | undefined {
  const history = file['history'];
  if (!Array.isArray(history)) return undefined;
  const scored = [file['first'], file['best']].filter(isObject);
  const own = history.filter(isObject).filter(({ id }) => !scored.some((each) => each['id'] === id));
  const unique = new Map([...scored, ...own].map((each) => [String(each['id']), each]));
  return [...unique.values()].toSorted((a, b) => Number(a['step'] ?? 0) - Number(b['step'] ?? 0));
}

function toCandidate(
  { id, step, parents, parent, texts, score, roundScore, scores, rewards }: Readonly<Record<string, unknown>>,
  ids: readonly string[],
): readonly WrittenCandidate[] {
  if (typeof id !== 'string' || !isObject(texts)) return [];
  const named = Array.isArray(parents) ? parents.map((each) => ids[Number(each)]) : [parent];
  const numbers = Array.isArray(scores) && scores.every((each) => typeof each === 'number') ? (scores as number[]) : [];
  const known = typeof score === 'number' ? score : (meanOf(numbers) ?? roundScore);
  return [
    {
      id,
      step: typeof step === 'number' ? step : 0,
      parents: named.filter((each) => typeof each === 'string'),
      texts: Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, String(text)])),
      ...(typeof known === 'number' && { score: known }),
      ...(numbers.length > 0 && { scores: numbers }),
      ...(Array.isArray(rewards) && { rewards: rewards.filter(isObject) as Readonly<Record<string, number>>[] }),
    },
  ];
}

async function readJson(path: string): Promise<unknown> {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    // A checkpoint may be replaced while it is read, and what is no JSON shows nothing.
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
