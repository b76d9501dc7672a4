import {
  buildBatch,
  LightningError,
  toEpisode,
  type Episode,
  type LightningBatch,
  type LightningStore,
  type Rollout,
} from '@agent-lightning/core';
import { FailureScoring, type RunConfig, type StepMetrics } from '@agent-lightning/run';
import { findBatchOptions } from './compute-samples.ts';

/** The most rollouts of a step that are read again to compute something of it. */
export const largestStep = 4_096;

/** The figures of a step's line by which its rollouts are scored again. */
export type ScoringLine = Pick<StepMetrics, 'step' | 'failureReward' | 'failureKinds'>;

/** The parts of a run from which a step is read again. */
export interface StepContext {
  readonly store: LightningStore;
  /** The options of the run; undefined for a store alone. */
  readonly config: RunConfig | undefined;
  /** The lines of metrics of the run. */
  readonly metrics: readonly ScoringLine[];
  /** The training rollouts of a step, by their ids. */
  readonly idsOfStep: (step: number) => readonly string[];
}

/** A step as it was learned from: its finished training rollouts with the rewards that counted, and the batch that was made of them. */
export interface ReadStep {
  readonly episodes: readonly Episode[];
  readonly batch: LightningBatch;
  readonly line: ScoringLine;
}

/** The step that was read last by each context: a snapshot shows several rollouts of one step, one after the other. */
const readLast = new WeakMap<StepContext, { readonly step: number | undefined; readonly read: ReadStep }>();

/**
 * Reads a step again as its run learned from it; returns the sentence that says why it cannot be. The step that a context read last is
 * kept in memory for the next call.
 */
export async function readStep(context: StepContext, step: number | undefined): Promise<ReadStep | string> {
  return await orSentence(async () => {
    const known = readLast.get(context);
    if (known !== undefined && known.step === step) return known.read;
    const read = await readStepAgain(context, step);
    if (typeof read !== 'string') readLast.set(context, { step, read });
    return read;
  });
}

async function readStepAgain(context: StepContext, step: number | undefined): Promise<ReadStep | string> {
  const options = findBatchOptions(context.config);
  if (typeof options === 'string') return options;
  const ids = step === undefined ? [] : context.idsOfStep(step);
  if (ids.length === 0) return 'The step is not known, so its advantages cannot be computed again.';
  if (ids.length > largestStep)
    return `The step has ${ids.length} rollouts, more than are read again for one page, so the advantages are left out.`;
  const line = context.metrics.find((metrics) => metrics.step === step);
  if (line === undefined)
    return 'The step is not finished, and the advantages come from the rewards of all of its rollouts.';
  const episodes = scoreAgain(await readFinished(context.store, ids), line);
  return episodes === undefined ? unknownSorting : { episodes, batch: buildBatch(episodes, options), line };
}

const unknownSorting =
  'Rollouts of the step failed, and the run sorted their failures in another way, as by its option failures, which is not kept, so the advantages cannot be computed again.';

/** Reads the training rollouts that came to an end, with their spans. */
export async function readFinished(store: LightningStore, ids: readonly string[]): Promise<readonly Episode[]> {
  const { items } = await store.queryRollouts({ rolloutIds: ids, limit: largestStep });
  const finished = items.filter(
    ({ mode, status }) => mode === 'train' && (status === 'succeeded' || status === 'failed'),
  );
  return await readEpisodes(store, finished);
}

/** Reads the newest attempts of rollouts as training sees them. */
export async function readEpisodes(store: LightningStore, rollouts: readonly Rollout[]): Promise<readonly Episode[]> {
  const rolloutIds = rollouts.map(({ rolloutId }) => rolloutId);
  if (rolloutIds.length === 0) return [];
  const spans = await store.querySpans({ rolloutIds, attemptId: 'latest', includeTokens: true });
  const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
  return rollouts.map((rollout) => toEpisode(rollout, byRollout.get(rollout.rolloutId) ?? []));
}

/**
 * Gives the failed rollouts of a step the reward with which they counted; undefined where the causes of the failures are not those
 * that the step counted: the run sorted them in another way.
 */
function scoreAgain(
  episodes: readonly Episode[],
  { failureReward, failureKinds }: ScoringLine,
): readonly Episode[] | undefined {
  const scored = new FailureScoring({ failureReward }).score(episodes);
  const ofTheWorld = scored.filter(({ failureKind }) => failureKind === 'world').length;
  return ofTheWorld === failureKinds.world ? scored : undefined;
}

/** Does some work; returns the sentence of an error of this project instead, such as one about a trace that must not exist. */
async function orSentence<Result>(work: () => Promise<Result>): Promise<Result | string> {
  try {
    return await work();
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    return `It cannot be computed again: ${error.message}.`;
  }
}
