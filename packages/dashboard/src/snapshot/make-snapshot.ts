import { LightningError, type LightningStore } from '@agent-lightning/core';
import type { RolloutDetails, RunDetails, RunExamples, Snapshot } from '../api.ts';
import { readExamples } from '../examples/read-examples.ts';
import { readRollout } from '../rollouts/read-rollout.ts';
import { readKeptSteps } from '../rollouts/token-texts.ts';
import { readPrompts } from '../prompts/read-prompts.ts';
import type { RunFiles } from '../runs/run-files.ts';
import { thin } from '../runs/thin.ts';
import { addTokens } from './add-tokens.ts';
import { addressOf } from './address.ts';
import { Budget } from './budget.ts';
import { cutDetails } from './cut-details.ts';
import { readSnapshotEntries, type SnapshotEntries } from './read-entries.ts';
import { sayWhatIsChosen } from './say-what-is-chosen.ts';

/** The most characters of rollouts in a snapshot, and the most lines of metrics. */
const mostRolloutCharacters = 6_000_000;
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
  const prompts = await readPrompts(files);
  const lines = thin(metrics, mostLines);
  const replies: Record<string, object> = {
    '/api/runs': { source: details.directory, runs: [details] },
    [addressOf(run)]: details,
    [addressOf(run, 'metrics')]: { lines },
    ...(prompts !== undefined && { [addressOf(run, 'prompts')]: prompts }),
  };
  const base = {
    madeAt: madeAt.toISOString(),
    run,
    notes: [...(await files.notes.read()).values()],
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
  const notes = await files.notes.read();
  const whole = new Map<string, RolloutDetails>();
  for (const id of wanted) {
    const rollout = await readRollout(store, id);
    if (rollout === undefined) continue;
    const note = notes.get(id);
    const details = { ...cutDetails(rollout), ...(note !== undefined && { note }) };
    if (!budget.take(details)) continue;
    whole.set(id, details);
    replies[addressOf(run, 'rollouts', id)] = details;
  }
  const chosen = chooseTokens(examples).flatMap((id) => whole.get(id) ?? []);
  const tokens = await addTokens(source, found, chosen, replies);
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
