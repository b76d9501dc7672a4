import type { Episode, Rollout, RolloutExcerpt } from '@agent-lightning/core';
import type { TokenDetails, TokenSample } from '../api.ts';
import { computeSamples, type ComputedSample } from './compute-samples.ts';
import { readEpisodes, readStep, type ReadStep, type StepContext } from './read-step.ts';
import { stepOf } from '../step-of.ts';
import type { TokenTexts } from './token-texts.ts';

/** The parts of a run from which tokens are shown. */
export interface TokenContext extends StepContext {
  readonly excerpts: readonly RolloutExcerpt[];
  readonly texts: TokenTexts;
  /** The step of the newest training rollout; undefined where none has one. */
  readonly newestEntryStep: number | undefined;
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
      remarks: [],
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
    remarks: found.remarks,
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
    ...(sample.trainerLogprobs !== undefined && { trainerLogprobs: sample.trainerLogprobs }),
    advantages,
  };
}

interface FoundSamples {
  readonly samples: readonly ComputedSample[];
  readonly remarks: readonly string[];
}

/** Builds the samples of a rollout as its step did: with all of the step's rollouts, since their rewards give the advantages. */
async function findSamples(context: TokenContext, rollout: Rollout): Promise<FoundSamples> {
  const own = await readEpisodes(context.store, [rollout]);
  const bare = computeSamples(own, rollout.rolloutId, undefined);
  if (rollout.mode !== 'train') return { samples: bare, remarks: [measuresOnly] };
  const read = await readStep(context, stepOf(rollout));
  if (typeof read === 'string') return { samples: bare, remarks: [read] };
  const samples = computeSamples(read.episodes, rollout.rolloutId, read.batch);
  return samples.length > 0
    ? { samples, remarks: remarksOf(read.episodes, read.line) }
    : { samples: bare, remarks: [untrained] };
}

const measuresOnly = 'This rollout measures the agent: nothing is trained from it, so its tokens have no advantage.';
const untrained =
  'Nothing of this rollout was trained on: it has no reward, its group earned the same throughout, or the world made it fail.';

function remarksOf(episodes: readonly Episode[], { failureReward }: ReadStep['line']): readonly string[] {
  const failed = episodes.filter(({ rollout, failureKind }) => rollout.status === 'failed' && failureKind !== 'world');
  return [
    'The advantages are computed again from the rewards of the step by the options of the run.',
    ...(failed.length === 0
      ? []
      : [`Of the rollouts of the step, ${failed.length} failed and count with the reward ${failureReward}.`]),
  ];
}
