import {
  LightningError,
  toEpisode,
  type Episode,
  type LightningStore,
  type Rollout,
  type RolloutExcerpt,
} from '@agent-lightning/core';
import { FailureScoring, type RunConfig, type StepMetrics } from '@agent-lightning/run';
import type { TokenDetails, TokenSample } from '../api.ts';
import { findBatchOptions, computeSamples, type ComputedSample } from './compute-samples.ts';
import { stepOf } from './rollout-entry.ts';
import type { TokenTexts } from './token-texts.ts';

/** The most rollouts of a step that are read again for the advantages of one of them. */
const largestStep = 4_096;

/** The parts of a run from which tokens are shown. */
export interface TokenContext {
  readonly store: LightningStore;
  /** The options of the run; undefined for a store alone. */
  readonly config: RunConfig | undefined;
  /** The lines of metrics of the run. */
  readonly metrics: readonly Pick<StepMetrics, 'step' | 'failureReward' | 'failureKinds'>[];
  readonly excerpts: readonly RolloutExcerpt[];
  readonly texts: TokenTexts;
  /** The rollouts of a step, by their ids. */
  readonly idsOfStep: (step: number) => readonly string[];
}

/** Reads the training samples of a rollout token by token; undefined where the store has no rollout of this id. */
export async function readTokens(context: TokenContext, rolloutId: string): Promise<TokenDetails | undefined> {
  const { store, excerpts, texts } = context;
  const rollout = await store.getRollout(rolloutId);
  if (rollout === undefined) return undefined;
  const recorded = excerpts.filter((excerpt) => excerpt.rolloutId === rolloutId).at(-1);
  if (recorded !== undefined)
    return {
      samples: recorded.samples.map((sample) => fromExcerpt(sample, texts)),
      texts: texts.source,
      advantages: 'recorded',
      notes: [],
    };
  const found = await findSamples(context, rollout);
  return {
    samples: found.samples.map(({ sample, agentNames, advantages }): TokenSample => ({
      policy: sample.policy,
      agentNames,
      policyVersions: sample.policyVersions,
      ids: [...sample.tokens],
      ...(texts.source !== 'none' && { texts: texts.of(sample.tokens) }),
      mask: [...sample.lossMask],
      logprobs: Array.from(sample.logprobs),
      ...(advantages !== undefined && { advantages: Array.from(advantages) }),
    })),
    texts: texts.source,
    advantages: found.samples.some(({ advantages }) => advantages !== undefined) ? 'computed' : 'none',
    notes: found.notes,
  };
}

function fromExcerpt(sample: RolloutExcerpt['samples'][number], texts: TokenTexts): TokenSample {
  const advantages = sample.tokens.map(() => 0);
  for (const { start, end, advantage } of sample.segments) advantages.fill(advantage, start, end);
  return {
    policy: '',
    agentNames: [...new Set(sample.segments.map(({ agentName }) => agentName))],
    policyVersions: [...new Set(sample.segments.map(({ policyVersion }) => policyVersion))],
    ids: sample.tokens,
    ...(sample.texts !== undefined
      ? { texts: sample.texts }
      : texts.source !== 'none' && { texts: texts.of(sample.tokens) }),
    mask: sample.lossMask,
    logprobs: sample.logprobs,
    advantages,
  };
}

interface FoundSamples {
  readonly samples: readonly ComputedSample[];
  readonly notes: readonly string[];
}

/** Builds the samples of a rollout as its step did: with all of the step's rollouts, since their rewards give the advantages. */
async function findSamples(context: TokenContext, rollout: Rollout): Promise<FoundSamples> {
  const own = await readEpisodes(context.store, [rollout]);
  const bare = computeSamples(own, rollout.rolloutId, undefined);
  const plain = (note: string): FoundSamples => ({ samples: bare, notes: [note] });
  if (rollout.mode !== 'train')
    return plain('This rollout measures the agent: nothing is trained from it, so its tokens have no advantage.');
  const options = findBatchOptions(context.config);
  if (typeof options === 'string') return plain(options);
  const step = stepOf(rollout);
  const ids = step === undefined ? [] : context.idsOfStep(step);
  if (ids.length === 0)
    return plain('The step of this rollout is not known, so its advantages cannot be computed again.');
  if (ids.length > largestStep)
    return plain(
      `Its step has ${ids.length} rollouts, more than are read again for one page, so the advantages are left out.`,
    );
  const line = context.metrics.find((metrics) => metrics.step === step);
  if (line === undefined)
    return plain('The step of this rollout is not finished, and the advantages come from the rewards of all of it.');
  try {
    const { items } = await context.store.queryRollouts({ rolloutIds: ids, limit: largestStep });
    const finished = items.filter(
      ({ mode, status }) => mode === 'train' && (status === 'succeeded' || status === 'failed'),
    );
    const episodes = scoreAgain(await readEpisodes(context.store, finished), line);
    if (episodes === undefined) return plain(unknownSorting);
    const samples = computeSamples(episodes, rollout.rolloutId, options);
    return samples.length > 0 ? { samples, notes: notesOf(episodes, line) } : plain(untrained);
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    return plain(`The advantages cannot be computed again: ${error.message}.`);
  }
}

const untrained =
  'Nothing of this rollout was trained on: it has no reward, its group earned the same throughout, or the world made it fail.';
const unknownSorting =
  'Rollouts of its step failed, and the run sorted their failures in another way, as by its option failures, which is not kept, so the advantages cannot be computed again.';

/**
 * Gives the failed rollouts of a step the reward with which they counted; undefined where the causes of the failures are not those
 * that the step counted: the run sorted them in another way.
 */
function scoreAgain(
  episodes: readonly Episode[],
  { failureReward, failureKinds }: TokenContext['metrics'][number],
): readonly Episode[] | undefined {
  const scored = new FailureScoring({ failureReward }).score(episodes);
  const ofTheWorld = scored.filter(({ failureKind }) => failureKind === 'world').length;
  return ofTheWorld === failureKinds.world ? scored : undefined;
}

function notesOf(episodes: readonly Episode[], { failureReward }: TokenContext['metrics'][number]): readonly string[] {
  const failed = episodes.filter(({ rollout, failureKind }) => rollout.status === 'failed' && failureKind !== 'world');
  return [
    'The advantages are computed again from the rewards of the step by the options of the run.',
    ...(failed.length === 0
      ? []
      : [`Of the rollouts of the step, ${failed.length} failed and count with the reward ${failureReward}.`]),
  ];
}

async function readEpisodes(store: LightningStore, rollouts: readonly Rollout[]): Promise<readonly Episode[]> {
  const rolloutIds = rollouts.map(({ rolloutId }) => rolloutId);
  const spans = await store.querySpans({ rolloutIds, attemptId: 'latest', includeTokens: true });
  const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
  return rollouts.map((rollout) => toEpisode(rollout, byRollout.get(rollout.rolloutId) ?? []));
}
