import { BackendError, ConfigurationError } from '../errors.ts';
import type { BatchSample } from './batch.ts';

/**
 * Returns samples whose advantages also pull the policy towards a reference: A_t + β·(mean_u d_u − d_t), weighted like A_t, with
 * d_t = q_t − ref_t the log-ratio at sampling time, so that the penalty is a reward like any other and every loss keeps its
 * form. The mean over all trained tokens of the samples is the penalty's baseline.
 * @param referenceLogprobs per sample, shape (T,), nats: the reference's log-probabilities, as `forwardBase` gives them
 * @param coefficient β ≥ 0
 * @returns the samples, and the mean of d: KL(sampler ‖ reference) in nats, by k1
 * @throws {ConfigurationError} `option-invalid` for a bad coefficient
 * @throws {BackendError} `samples-invalid` when the log-probabilities are not those of the samples, `numerics` when one is not finite
 * @source thinking-machines-lab/tinker-cookbook `incorporate_kl_penalty`
 */
export function penalizeDivergence(
  samples: readonly BatchSample[],
  referenceLogprobs: readonly ArrayLike<number>[],
  coefficient: number,
): { readonly samples: readonly BatchSample[]; readonly meanDivergence: number } {
  if (!(coefficient >= 0 && coefficient < Infinity)) {
    throw new ConfigurationError(
      `the coefficient of the divergence from the reference is ${coefficient}; give a number from 0`,
      { code: 'option-invalid' },
    );
  }
  const divergences = samples.map((sample, index) => divergenceOf(sample, referenceLogprobs[index], index)); // (samples) → (samples, T)
  const trained = samples.reduce((sum, sample) => sum + sample.lossMask.reduce((count, bit) => count + bit, 0), 0);
  const total = divergences.reduce((sum, sample) => sum + sample.reduce((sampleSum, value) => sampleSum + value, 0), 0);
  const meanDivergence = trained === 0 ? 0 : total / trained;
  return {
    meanDivergence,
    samples: samples.map((sample, index) => penalized(sample, divergences[index]!, meanDivergence, coefficient)),
  };
}

/**
 * Returns d_t = q_t − ref_t for each trained token of a sample, shape (T,), 0 for the others.
 * @throws {BackendError} `samples-invalid` when the log-probabilities are not those of the sample, `numerics` when one is not finite
 */
export function divergenceOf(
  sample: BatchSample,
  reference: ArrayLike<number> | undefined,
  index: number,
): Float64Array {
  if (reference?.length !== sample.tokens.length) {
    throw new BackendError(
      `sample ${index} of ${sample.tokens.length} tokens has ${reference?.length ?? 'no'} reference log-probabilities`,
      { code: 'samples-invalid' },
    );
  }
  return Float64Array.from(sample.logprobs, (q, t) => {
    if (sample.lossMask[t] === 0) return 0;
    if (!Number.isFinite(reference[t]))
      throw new BackendError(`reference log-probability ${t} of sample ${index} is ${reference[t]}`, {
        code: 'numerics',
      });
    return q - reference[t]!;
  });
}

function penalized(
  sample: BatchSample,
  divergence: Float64Array,
  meanDivergence: number,
  coefficient: number,
): BatchSample {
  const tokenAdvantages = sample.tokenAdvantages.map((advantage, t) =>
    sample.lossMask[t] === 0 ? 0 : advantage + coefficient * (meanDivergence - divergence[t]!),
  );
  return {
    ...sample,
    tokenAdvantages,
    advantages: Float32Array.from(tokenAdvantages, (advantage) => advantage * sample.tokenWeight),
  };
}
