import { ConfigurationError } from '../errors.ts';
import type { BatchSample, TokenWeighting } from './batch.ts';

/** Checks a token weighting. @throws {ConfigurationError} `option-invalid` */
export function checkTokenWeighting(weighting: TokenWeighting): void {
  if (weighting === 'rollout' || weighting === 'token') return;
  if (
    typeof weighting !== 'object' ||
    weighting === null ||
    !(weighting.constant > 0 && Number.isFinite(weighting.constant))
  ) {
    throw new ConfigurationError(
      `tokenWeighting is ${JSON.stringify(weighting)}; give 'rollout', 'token' or { constant } with a number of tokens above 0`,
      { code: 'option-invalid' },
    );
  }
}

/**
 * Folds the loss weights of samples into their `advantages`, as losses that are sums need it. Weights depend on the
 * rollouts and on their trained tokens only, so the loss is the same however a rollout is split into samples. Policies are
 * weighed apart: R and N count what the sample's own policy did. The samples that are given are not changed.
 */
export function weighSamples(samples: readonly BatchSample[], weighting: TokenWeighting): readonly BatchSample[] {
  const weightOf = new Map<string, (rolloutId: string) => number>();
  for (const [policy, own] of Map.groupBy(samples, (sample) => sample.policy))
    weightOf.set(policy, tokenWeight(own, weighting));
  return samples.map((sample) => weighed(sample, weightOf.get(sample.policy)!(sample.rolloutId)));
}

/** Returns the function that gives the weight of a token by its rollout, for the samples of one policy. */
function tokenWeight(samples: readonly BatchSample[], weighting: TokenWeighting): (rolloutId: string) => number {
  const tokensOf = new Map<string, number>(); // N(ρ)
  for (const sample of samples)
    tokensOf.set(sample.rolloutId, (tokensOf.get(sample.rolloutId) ?? 0) + trainedTokens(sample));
  const rolloutCount = tokensOf.size; // R
  if (weighting === 'rollout') return (rolloutId) => 1 / (rolloutCount * tokensOf.get(rolloutId)!);
  const all =
    weighting === 'token'
      ? [...tokensOf.values()].reduce((sum, count) => sum + count, 0)
      : rolloutCount * weighting.constant;
  return () => 1 / all;
}

function weighed(sample: BatchSample, weight: number): BatchSample {
  return {
    ...sample,
    advantages: Float32Array.from(sample.tokenAdvantages, (advantage) => advantage * weight),
    tokenWeight: weight,
  };
}

function trainedTokens(sample: BatchSample): number {
  return sample.segments.reduce((sum, segment) => sum + segment.end - segment.start, 0);
}
