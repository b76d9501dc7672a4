import type { RolloutDetails, TokenDetails } from '../api.ts';
import { readTokens, type TokenContext } from '../rollouts/read-tokens.ts';
import { findTokenTexts, readExcerpts } from '../rollouts/token-texts.ts';
import { newestStep } from '../runs/open-token-context.ts';
import { readRolloutTree, readStepSamples } from '../samples/read-samples.ts';
import { addressOf } from './address.ts';
import type { BoundedReplies } from './bounded-replies.ts';
import type { SnapshotSource } from './make-snapshot.ts';
import type { SnapshotEntries } from './read-entries.ts';

/** The rollouts that are shown token by token, and those for which there was no room. */
export interface AddedTokens {
  readonly added: number;
  readonly refused: number;
}

/**
 * Adds the tokens and the samples of these rollouts, and the samples of the last step. A training rollout whose step is not there as a
 * whole is left out, since its advantages need all of it.
 */
export async function addTokens(
  source: SnapshotSource,
  found: SnapshotEntries,
  chosen: readonly RolloutDetails[],
  contents: BoundedReplies,
): Promise<AddedTokens> {
  const context = await openContext(source, found);
  const { run } = source;
  const step = newestStep(context);
  if (step > 0 && found.hasWholeStep(step) && !contents.add(await readSamples(context, run, step)))
    contents.leftOut.push(`the samples of step ${step}`);
  const sums = { added: 0, refused: 0 };
  // Newest first, so that each step is read once.
  for (const { rollout, step: own, calls } of chosen.toSorted((a, b) => (b.step ?? 0) - (a.step ?? 0))) {
    const id = rollout.rolloutId;
    if (calls === 0 || (rollout.mode === 'train' && own !== undefined && !found.hasWholeStep(own))) continue;
    const tokens = await readTokens(context, id);
    const tree = await readRolloutTree(context, id);
    if (tokens === undefined || tree === undefined) continue;
    const replies = {
      [addressOf(run, 'rollouts', id, 'tokens')]: await withTexts(tokens, source.tokenTexts),
      [addressOf(run, 'rollouts', id, 'samples')]: tree,
    };
    sums[contents.add(replies) ? 'added' : 'refused'] += 1;
  }
  return sums;
}

async function readSamples(context: TokenContext, run: string, step: number): Promise<Record<string, object>> {
  return { [addressOf(run, 'samples')]: await readStepSamples(context, step) };
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
