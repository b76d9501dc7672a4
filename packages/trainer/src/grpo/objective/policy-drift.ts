import { type TrainingSample, BackendError } from '@agent-lightning/core';

/** Measures of how far the policy is from the one that sampled, over trained tokens; each token weighs the same. */
export interface PolicyDrift {
  readonly trainedTokens: number;
  /** Mean and maximum of r = exp(lp − q); 1 when trainer and sampler agree. */
  readonly meanRatio: number;
  readonly maxRatio: number;
  /** (Σ r)² / (n · Σ r²), in (0, 1]: the effective sample size as a share of the tokens; 1 when every ratio is the same. @source Kong 1992 */
  readonly effectiveSampleShare: number;
  /** KL(sampler ‖ policy) in nats, estimated by −log r: unbiased, and negative at times. @source Schulman, "Approximating KL divergence", k1 */
  readonly klK1: number;
  /** KL(sampler ‖ policy) in nats, estimated by r − 1 − log r: unbiased, and never negative. @source ibid., k3 */
  readonly klK3: number;
}

/**
 * Compares the policy's log-probabilities with those at sampling time. Before any update it measures how well sampler and
 * trainer agree; during updates, how far the policy has moved.
 * @param logprobs per sample, shape (T,), nats
 * @throws {BackendError} `samples-invalid` when the log-probabilities are not those of the samples, `numerics` when one is not finite
 */
export function policyDrift(samples: readonly TrainingSample[], logprobs: readonly ArrayLike<number>[]): PolicyDrift {
  let count = 0;
  let ratios = 0;
  let squares = 0;
  let maxRatio = 0;
  let k1 = 0;
  samples.forEach((sample, index) => {
    const now = logprobs[index];
    if (now?.length !== sample.tokens.length) {
      throw new BackendError(
        `sample ${index} of ${sample.tokens.length} tokens has ${now?.length ?? 'no'} log-probabilities`,
        { code: 'samples-invalid' },
      );
    }
    for (let t = 0; t < sample.tokens.length; t += 1) {
      if (sample.lossMask[t] === 0) continue;
      const logRatio = now[t]! - sample.logprobs[t]!;
      if (!Number.isFinite(logRatio)) {
        throw new BackendError(
          `token ${t} of sample ${index} has the log-probability ${now[t]}, and had ${sample.logprobs[t]} when sampled`,
          { code: 'numerics' },
        );
      }
      const ratio = Math.exp(logRatio);
      count += 1;
      ratios += ratio;
      squares += ratio * ratio;
      k1 -= logRatio;
      maxRatio = Math.max(maxRatio, ratio);
    }
  });
  if (count === 0) return { trainedTokens: 0, meanRatio: 1, maxRatio: 1, effectiveSampleShare: 1, klK1: 0, klK3: 0 };
  const meanRatio = ratios / count;
  return {
    trainedTokens: count,
    meanRatio,
    maxRatio,
    effectiveSampleShare: ratios ** 2 / (count * squares),
    klK1: k1 / count,
    klK3: meanRatio - 1 + k1 / count,
  };
}
