import { LightningError, type LightningStore } from '@agent-lightning/core';
import type { StepMetrics } from '@agent-lightning/run';
import type { RolloutDetails, RunDetails, RunExamples, Snapshot, TokenDetails } from '../api.ts';
import { readExamples } from '../examples/read-examples.ts';
import { readRollout } from '../rollouts/read-rollout.ts';
import { readTokens } from '../rollouts/read-tokens.ts';
import { findTokenTexts, readKeptSteps } from '../rollouts/token-texts.ts';
import type { RunFiles } from '../runs/run-files.ts';
import { addressOf } from './address.ts';
import { cutDetails } from './cut-details.ts';
import { readSnapshotEntries, type SnapshotEntries } from './read-entries.ts';
import { sayWhatIsChosen } from './say-what-is-chosen.ts';

/** The most characters of rollouts, and of their tokens, in a snapshot; and the most lines of metrics. */
const mostRolloutCharacters = 6_000_000;
const mostTokenCharacters = 4_000_000;
const mostLines = 2_000;
/** The most failed rollouts whose tokens are shown. */
const mostFailedTokens = 4;

/** The parts of a run from which a snapshot is made. */
export interface SnapshotSource {
  readonly run: string;
  readonly runId: string;
  readonly details: RunDetails;
  readonly files: RunFiles;
  readonly store: LightningStore;
  readonly tokenTexts: ((tokens: Int32Array) => Promise<readonly string[]>) | undefined;
}

/** Gathers the replies of the routes for the rollouts that tell most of a run. A store that is away takes the rollouts from it, and nothing else. */
export async function makeSnapshot(source: SnapshotSource, madeAt: Date): Promise<Snapshot> {
  const { run, details, files } = source;
  const metrics = await files.metrics();
  const lines = thin(metrics);
  const replies: Record<string, object> = {
    '/api/runs': { source: details.directory, runs: [details] },
    [addressOf(run)]: details,
    [addressOf(run, 'metrics')]: { lines },
  };
  const base = {
    madeAt: madeAt.toISOString(),
    run,
    failureRewards: Object.fromEntries(metrics.map(({ step, failureReward }) => [step, failureReward])),
    replies,
  };
  const ofLines =
    lines.length === metrics.length
      ? []
      : [
          `Of the ${metrics.length} steps, ${lines.length} have their figures here: every n-th, those with a validation, and the last.`,
        ];
  try {
    const found = await readSnapshotEntries(source.store, source.runId);
    const said = await addRollouts(source, found, replies);
    return { ...base, chosen: [...said, ...ofLines], entries: found.entries };
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    const unread = `The rollouts are in the store, and could not be read when this was written: ${error.message}`;
    return { ...base, chosen: [unread, ...ofLines], entries: [] };
  }
}

/** Adds the replies about rollouts, and returns the sentences that say which they are. */
async function addRollouts(
  source: SnapshotSource,
  found: SnapshotEntries,
  replies: Record<string, object>,
): Promise<readonly string[]> {
  const { run, files, store } = source;
  const examples = await readExamples(store, found.entries, await readKeptSteps(files.directory));
  replies[addressOf(run, 'examples')] = examples;
  const wanted = chooseWhole(examples, found);
  const budget = new Budget(mostRolloutCharacters);
  const whole = new Map<string, RolloutDetails>();
  for (const id of wanted) {
    const rollout = await readRollout(store, id);
    if (rollout === undefined) continue;
    const details = cutDetails(rollout);
    if (!budget.take(details)) continue;
    whole.set(id, details);
    replies[addressOf(run, 'rollouts', id)] = details;
  }
  const tokens = await addTokens(source, found, chooseTokens(examples), whole, replies);
  return sayWhatIsChosen({ found, examples, wanted, whole: new Set(whole.keys()), tokens });
}

/** Returns the rollouts that are in the file as a whole: those that are told of, and then the others of the last step. */
function chooseWhole(examples: RunExamples, { entries }: SnapshotEntries): readonly string[] {
  const { failures, heldOut, kept, lastStep } = examples;
  const told = [
    ...failures.flatMap(({ items }) => items),
    ...(lastStep?.items ?? []),
    ...heldOut.flatMap(({ before, after }) => [before, after]),
    ...kept.flatMap(({ items }) => items),
  ];
  const others = entries.filter(({ mode, step }) => mode === 'train' && step === lastStep?.step).toReversed();
  return [...new Set([...told, ...others].map(({ id }) => id))];
}

/** Returns the rollouts that are shown token by token. */
function chooseTokens({ failures, heldOut, kept }: RunExamples): readonly string[] {
  const failed = failures.flatMap(({ items }) => items.slice(0, 1)).slice(0, mostFailedTokens);
  const told = [
    ...kept.flatMap(({ items }) => items),
    ...heldOut.flatMap(({ before, after }) => [before, after]),
    ...failed,
  ];
  return [...new Set(told.map(({ id }) => id))];
}

async function addTokens(
  { run, details: { config }, files, store, tokenTexts }: SnapshotSource,
  { entries, hasWholeStep }: SnapshotEntries,
  chosen: readonly string[],
  whole: ReadonlyMap<string, RolloutDetails>,
  replies: Record<string, object>,
): Promise<number> {
  const context = {
    store,
    config,
    metrics: await files.metrics(),
    excerpts: (await readKeptSteps(files.directory)).flatMap(({ rollouts }) => rollouts),
    texts: await findTokenTexts(files.directory),
    idsOfStep: (step: number) =>
      entries.flatMap((entry) => (entry.step === step && entry.mode === 'train' ? [entry.id] : [])),
  };
  const budget = new Budget(mostTokenCharacters);
  let count = 0;
  for (const id of chosen) {
    const rollout = whole.get(id);
    if (rollout === undefined || rollout.calls === 0) continue;
    if (rollout.rollout.mode === 'train' && rollout.step !== undefined && !hasWholeStep(rollout.step)) continue;
    const tokens = await readTokens(context, id);
    if (tokens === undefined) continue;
    const shown = await withTexts(tokens, tokenTexts);
    if (!budget.take(shown)) continue;
    replies[addressOf(run, 'rollouts', id, 'tokens')] = shown;
    count += 1;
  }
  return count;
}

/** Gives tokens the texts that the backend knows, where the run directory has none. */
async function withTexts(tokens: TokenDetails, tokenTexts: SnapshotSource['tokenTexts']): Promise<TokenDetails> {
  if (tokens.texts === 'tokenizer' || tokens.advantages === 'recorded' || tokenTexts === undefined) return tokens;
  const samples: TokenDetails['samples'][number][] = [];
  for (const sample of tokens.samples)
    samples.push({ ...sample, texts: await tokenTexts(Int32Array.from(sample.ids)) });
  return { ...tokens, samples, texts: 'tokenizer' };
}

/** Counts the characters of what is taken, and refuses what would be too much. */
class Budget {
  #left: number;

  constructor(most: number) {
    this.#left = most;
  }

  take(value: object): boolean {
    const size = JSON.stringify(value).length;
    if (size > this.#left) return false;
    this.#left -= size;
    return true;
  }
}

/** Keeps every n-th line of a long run, those with a validation, and the last one. */
function thin(metrics: readonly StepMetrics[]): readonly StepMetrics[] {
  const every = Math.ceil(metrics.length / mostLines);
  return metrics.filter(
    ({ validation }, index) => index % every === 0 || validation !== undefined || index === metrics.length - 1,
  );
}
