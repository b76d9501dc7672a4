import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { TokenContext } from '../rollouts/read-tokens.ts';
import { findTokenTexts, noTexts, readExcerpts, type TokenTexts } from '../rollouts/token-texts.ts';
import type { RunShelf } from './run-shelf.ts';

/**
 * Opens the parts of a run from which tokens and samples are computed; undefined where it has no store here. Waits until every rollout has
 * been read: advantages need all of a step.
 */
export async function openTokenContext(shelf: RunShelf, run: string): Promise<TokenContext | undefined> {
  const rollouts = await shelf.rollouts(run);
  if (rollouts === undefined) return undefined;
  const files = await shelf.files(run);
  const directory = files?.directory;
  await rollouts.index.whenComplete();
  return {
    store: rollouts.store,
    config: (await files?.record())?.config,
    metrics: (await files?.metrics()) ?? [],
    excerpts: directory === undefined ? [] : await readExcerpts(directory),
    texts: directory === undefined ? noTexts : await textsOf(directory),
    idsOfStep: (step) =>
      rollouts.index.entries().flatMap((entry) => (entry.step === step && entry.mode === 'train' ? [entry.id] : [])),
    newestEntryStep: rollouts.index.entries().find(({ step, mode }) => step !== undefined && mode === 'train')?.step,
  };
}

/** Returns the newest step that is finished, else the newest that has rollouts; 0 where there is none. */
export function newestStep({ metrics, newestEntryStep }: TokenContext): number {
  return metrics.at(-1)?.step ?? newestEntryStep ?? 0;
}

/** The most tokenizers in memory; the one that was read first is forgotten first. */
const mostTokenizers = 4;
const tokenizers = new Map<string, { readonly mark: string; readonly texts: TokenTexts }>();

/** Finds the texts of a run's tokens; a tokenizer is read once for each state of its file, and looked for again while the run has none. */
async function textsOf(directory: string): Promise<TokenTexts> {
  const file = await stat(join(directory, 'model', 'tokenizer.json')).catch(() => undefined); // there is none yet
  const mark = file === undefined ? '' : `${file.ino} ${file.size} ${file.mtimeMs}`;
  const known = tokenizers.get(directory);
  if (known?.mark === mark) return known.texts;
  tokenizers.delete(directory);
  const texts = await findTokenTexts(directory);
  if (texts.source === 'tokenizer') tokenizers.set(directory, { mark, texts });
  for (const oldest of [...tokenizers.keys()].slice(0, -mostTokenizers)) tokenizers.delete(oldest);
  return texts;
}
