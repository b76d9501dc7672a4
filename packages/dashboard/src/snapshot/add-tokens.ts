import type { RolloutDetails, TokenDetails } from '../api.ts';
import { readTokens, type TokenContext } from '../rollouts/read-tokens.ts';
import { findTokenTexts, readExcerpts } from '../rollouts/token-texts.ts';
import { newestStep } from '../runs/open-token-context.ts';
import { readRolloutTree, readStepSamples } from '../samples/read-samples.ts';
import { addressOf } from './address.ts';
import { Budget } from './budget.ts';
import type { SnapshotSource } from './make-snapshot.ts';
import type { SnapshotEntries } from './read-entries.ts';

/** The most characters of tokens and samples in a snapshot. */
const mostCharacters = 4_000_000;

/**
 * Adds the tokens and the samples of these rollouts, and the samples of the last step; returns the number of rollouts that have theirs. A
 * training rollout whose step is not there as a whole is left out, since its advantages need all of it.
 */
export async function addTokens(
  source: SnapshotSource,
  found: SnapshotEntries,
  chosen: readonly RolloutDetails[],
  replies: Record<string, object>,
): Promise<number> {
  const context = await openContext(source, found);
  const budget = new Budget(mostCharacters);
  const add = (reply: object | undefined, ...address: readonly string[]): boolean => {
    if (reply === undefined || !budget.take(reply)) return false;
    replies[addressOf(source.run, ...address)] = reply;
    return true;
  };
  const step = newestStep(context);
  if (step > 0 && found.hasWholeStep(step)) add(await readStepSamples(context, step), 'samples');
  let count = 0;
  // Newest first, so that each step is read once.
  for (const { rollout, step: own, calls } of chosen.toSorted((a, b) => (b.step ?? 0) - (a.step ?? 0))) {
    const id = rollout.rolloutId;
    if (calls === 0 || (rollout.mode === 'train' && own !== undefined && !found.hasWholeStep(own))) continue;
    const tokens = await readTokens(context, id);
    if (tokens === undefined || !add(await withTexts(tokens, source.tokenTexts), 'rollouts', id, 'tokens')) continue;
    add(await readRolloutTree(context, id), 'rollouts', id, 'samples');
    count += 1;
  }
  return count;
}

async function openContext(
  { details, files, store }: SnapshotSource,
  { entries }: SnapshotEntries,
): Promise<TokenContext> {
  return {
    store,
    config: details.config,
    metrics: await files.metrics(),
    excerpts: await readExcerpts(files.directory),
    texts: await findTokenTexts(files.directory),
    idsOfStep: (step) => entries.flatMap((entry) => (entry.step === step && entry.mode === 'train' ? [entry.id] : [])),
    newestEntryStep: entries.find(({ step, mode }) => step !== undefined && mode === 'train')?.step,
  };
}

/** Gives tokens the texts that the backend knows, where the run directory has none. */
async function withTexts(tokens: TokenDetails, tokenTexts: SnapshotSource['tokenTexts']): Promise<TokenDetails> {
  if (tokens.texts === 'tokenizer' || tokens.advantages === 'recorded' || tokenTexts === undefined) return tokens;
  const samples: TokenDetails['samples'][number][] = [];
  for (const sample of tokens.samples)
    samples.push({ ...sample, texts: await tokenTexts(Int32Array.from(sample.ids)) });
  return { ...tokens, samples, texts: 'tokenizer' };
}
