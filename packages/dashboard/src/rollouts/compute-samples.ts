import type { BatchSample, Episode, LightningBatch, LightningRLOptions, Transition } from '@agent-lightning/core';
import type { RunConfig } from '@agent-lightning/run';

/** A training sample with the agents that sampled it; the advantages are absent where they are not known. */
export interface ComputedSample {
  readonly sample: Pick<BatchSample, 'tokens' | 'lossMask' | 'logprobs' | 'policy' | 'policyVersions'>;
  readonly agentNames: readonly string[];
  readonly advantages?: Float64Array;
}

/** Finds the options of LightningRL in those of a run; a sentence that says why where they are not enough. */
export function findBatchOptions(config: RunConfig | undefined): LightningRLOptions | string {
  const read = (name: string): unknown => config?.[`algorithm.${name}`];
  if (read('name') !== 'grpo') return 'The run was not trained by GRPO, so its tokens have no advantage.';
  if (config?.['control'] === 'shuffled')
    return 'This is a control run: it trained with rewards that were shuffled among the rollouts, which is not kept, so the advantages cannot be computed again.';
  if (read('estimator') === 'gae') return 'The advantages came from a critic, whose values are not kept.';
  const [credit, intermediate] = [readJson(read('credit')), readJson(read('intermediate'))];
  if (typeof credit === 'string' && credit.startsWith('a function'))
    return 'Credit is assigned by a function of the run, which is not kept, so the advantages cannot be computed again.';
  const rewardScale = read('rewardScale');
  const discarded = read('discardedAdvantage');
  return {
    credit: credit as LightningRLOptions['credit'],
    estimator: read('estimator') as LightningRLOptions['estimator'],
    samples: read('samples') as LightningRLOptions['samples'],
    tokenWeighting: readJson(read('tokenWeighting')) as LightningRLOptions['tokenWeighting'],
    weighNodes: read('weighNodes') === true,
    ...(typeof intermediate === 'object' && {
      intermediate: intermediate as NonNullable<LightningRLOptions['intermediate']>,
    }),
    ...(typeof rewardScale === 'number' && { rewardScale }),
    ...(typeof discarded === 'number' && { discardedAdvantage: discarded }),
  };
}

/** Reads a value that the record of a run holds as JSON; a word is itself. */
function readJson(value: unknown): unknown {
  return typeof value === 'string' && value.startsWith('{') ? (JSON.parse(value) as unknown) : value;
}

/** Returns the samples of one rollout in the batch of these; without a batch each call is one sample, and no advantage is known. */
export function computeSamples(
  episodes: readonly Episode[],
  rolloutId: string,
  batch: LightningBatch | undefined,
): readonly ComputedSample[] {
  const own = episodes.find(({ rollout }) => rollout.rolloutId === rolloutId);
  if (own === undefined) return [];
  if (batch === undefined) return own.transitions.map(toSample);
  const calls = [...own.transitions, ...(own.discarded ?? [])];
  return batch.samples
    .filter((sample) => sample.rolloutId === rolloutId)
    .map((sample) => ({
      sample,
      agentNames: [...new Set(sample.segments.map(({ callIndex }) => calls[callIndex]?.agentName ?? ''))],
      advantages: sample.tokenAdvantages,
    }));
}

function toSample(call: Transition): ComputedSample {
  const { promptIds, responseIds, policy, policyVersion, agentName } = call;
  const tokens = new Int32Array(promptIds.length + responseIds.length);
  tokens.set(promptIds);
  tokens.set(responseIds, promptIds.length);
  const lossMask = new Uint8Array(tokens.length).fill(1, promptIds.length);
  const logprobs = new Float32Array(tokens.length);
  logprobs.set(call.logprobs, promptIds.length);
  return { sample: { tokens, lossMask, logprobs, policy, policyVersions: [policyVersion] }, agentNames: [agentName] };
}
