import { LightningError, type LightningStore } from '@agent-lightning/core';
import type { MetricsPage, RolloutDetails, RunDetails, RunExamples, Snapshot } from '../api.ts';
import { readExamples } from '../examples/read-examples.ts';
import type { Note } from '../notes/note.ts';
import type { Notes } from '../notes/notes-file.ts';
import { readRollout } from '../rollouts/read-rollout.ts';
import { readKeptSteps } from '../rollouts/token-texts.ts';
import { readPrompts } from '../prompts/read-prompts.ts';
import type { RunFiles } from '../runs/run-files.ts';
import { thin } from '../runs/thin.ts';
import { addTokens } from './add-tokens.ts';
import { addressOf } from './address.ts';
import { BoundedReplies } from './bounded-replies.ts';
import { cutDetails } from './cut-details.ts';
import { readSnapshotEntries, type SnapshotEntries } from './read-entries.ts';
import { sayWhatIsChosen, sayWhatIsLeftOut } from './say-what-is-chosen.ts';

/** The most bytes of a snapshot as it is written, of all but the sentences about what is in it, and the most lines of metrics. */
const mostBytes = 10_000_000;
const mostLines = 2_000;
/** The share of the room that rollouts as a whole leave for tokens and samples. */
const tokenShare = 0.4;
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

/**
 * Gathers the replies of the routes for the rollouts that tell most of a run. A store that is away takes the rollouts from it, and nothing
 * else.
 * @param most the most bytes of all but its sentences; the figures of the steps and the lines of the lists are in it in any case
 */
export async function makeSnapshot(source: SnapshotSource, madeAt: Date, most: number = mostBytes): Promise<Snapshot> {
  const { run, files } = source;
  const contents = new BoundedReplies(most);
  const metrics = await files.metrics();
  const failureRewards = Object.fromEntries(metrics.map(({ step, failureReward }) => [step, failureReward]));
  const bare = { madeAt: madeAt.toISOString(), run, failureRewards, chosen: [], entries: [], notes: [], replies: {} };
  contents.count(bare);
  const ofLines = addFigures(source, metrics, contents);
  const lists = await orUnread(async () => await addLists(source, contents));
  await addPrompts(source, contents);
  const notes = takeNotes(await files.notes.read(), contents);
  const said =
    typeof lists === 'string' ? lists : await orUnread(async () => await addRollouts(source, lists, contents));
  const entries = typeof lists === 'string' ? [] : lists.found.entries;
  const chosen = [...[said].flat(), ...ofLines, ...sayWhatIsLeftOut(contents.leftOut)];
  const { replies } = contents;
  return { ...bare, chosen, entries, notes, replies };
}

/** Adds the replies about the run and its steps; returns the sentence that says which steps they are, where they are not all. */
function addFigures(
  { run, details }: SnapshotSource,
  metrics: MetricsPage['lines'],
  contents: BoundedReplies,
): readonly string[] {
  const lines = thin(metrics, mostLines);
  contents.put({
    '/api/runs': { source: details.directory, runs: [details] },
    [addressOf(run)]: details,
    [addressOf(run, 'metrics')]: { lines },
  });
  if (lines.length === metrics.length) return [];
  return [
    `Of the ${metrics.length} steps, ${lines.length} have their figures here: every n-th, those with a validation, and the last.`,
  ];
}

async function addPrompts({ run, files }: SnapshotSource, contents: BoundedReplies): Promise<void> {
  const prompts = await readPrompts(files);
  if (prompts !== undefined && !contents.add({ [addressOf(run, 'prompts')]: prompts }))
    contents.leftOut.push('the prompts');
}

/** Returns the notes for which there is room, the newest first. */
function takeNotes(notes: Notes, contents: BoundedReplies): readonly Note[] {
  const taken = [...notes.values()].toReversed().filter((note) => contents.take([note]));
  const refused = notes.size - taken.length;
  if (refused > 0) contents.leftOut.push(`${refused} of ${notes.size} notes`);
  return taken;
}

/** Does some work with the store; returns the sentence for a store that is away instead. */
async function orUnread<Result>(work: () => Promise<Result>): Promise<Result | string> {
  try {
    return await work();
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    return `The rollouts are in the store, and could not be read when this was written: ${error.message}`;
  }
}

/** The rollouts in the lists, and those that tell most. */
interface Lists {
  readonly found: SnapshotEntries;
  readonly examples: RunExamples;
}

async function addLists({ run, runId, files, store }: SnapshotSource, contents: BoundedReplies): Promise<Lists> {
  const found = await readSnapshotEntries(store, runId);
  contents.count(found.entries);
  const examples = await readExamples(store, found.entries, await readKeptSteps(files.directory));
  contents.put({ [addressOf(run, 'examples')]: examples });
  return { found, examples };
}

/** Adds rollouts as a whole and token by token, and returns the sentences that say which they are. */
async function addRollouts(
  source: SnapshotSource,
  { found, examples }: Lists,
  contents: BoundedReplies,
): Promise<readonly string[]> {
  const whole = await addWhole(source, chooseWhole(examples, found), contents);
  const chosen = chooseTokens(examples).flatMap((id) => whole.rollouts.get(id) ?? []);
  const tokens = await addTokens(source, found, chosen, contents);
  if (whole.refused > 0) contents.leftOut.push(`${whole.refused} more rollouts`);
  if (tokens.refused > 0) contents.leftOut.push(`the tokens of ${tokens.refused} rollouts`);
  return sayWhatIsChosen({
    found,
    examples,
    whole: whole.rollouts.size,
    gone: whole.gone,
    tokens: tokens.added,
  });
}

interface WholeRollouts {
  readonly rollouts: ReadonlyMap<string, RolloutDetails>;
  /** The number of those that the store does not have, and of those for which there was no room. */
  readonly gone: number;
  readonly refused: number;
}

/** Adds rollouts as a whole. */
async function addWhole(
  { run, files, store }: SnapshotSource,
  wanted: readonly string[],
  contents: BoundedReplies,
): Promise<WholeRollouts> {
  const reserve = Math.max(0, contents.leftBytes) * tokenShare;
  const notes = await files.notes.read();
  const rollouts = new Map<string, RolloutDetails>();
  const sums = { gone: 0, refused: 0 };
  for (const id of wanted) {
    const rollout = await readRollout(store, id);
    const note = notes.get(id);
    const details = rollout && { ...cutDetails(rollout), ...(note !== undefined && { note }) };
    if (details === undefined) sums.gone += 1;
    else if (!contents.add({ [addressOf(run, 'rollouts', id)]: details }, reserve)) sums.refused += 1;
    else rollouts.set(id, details);
  }
  return { rollouts, ...sums };
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
