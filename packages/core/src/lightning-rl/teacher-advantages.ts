import type { BatchSample, SampleSegment } from './batch.ts';
import { divergenceOf } from './reference-penalty.ts';

/**
 * Returns samples whose advantages follow a teacher, token by token: A_t + (lp_T(t) − q_t), with q_t the log-probability that the policy sampled the
 * token with and lp_T(t) the teacher's. Over tokens that the policy samples, the expected advantage is −KL(policy ‖ teacher), which is what
 * on-policy distillation makes smaller: the reverse KL, of the next token alone. What a token does to the tokens after it is not counted.
 * @param samples with the advantages that the teacher's are added to, 0 where it is the only source
 * @param teacherLogprobs per sample, shape (T,), nats; not read where `lossMask` is 0
 * @returns the samples, and the mean of q − lp_T over their trained tokens: KL(policy ‖ teacher) in nats a token, by k1
 * @throws {BackendError} `samples-invalid` when the log-probabilities are not those of the samples, `numerics` when one is not finite
 * @source Thinking Machines, "On-Policy Distillation" (2025), with a discount of 0; tinker-cookbook `distillation/train_on_policy.py`
 */
export function followTeacher(
  samples: readonly BatchSample[],
  teacherLogprobs: readonly ArrayLike<number>[],
): { readonly samples: readonly BatchSample[]; readonly meanDivergence: number } {
  const divergences = samples.map((sample, index) => divergenceOf(sample, teacherLogprobs[index], index)); // (samples) → (samples, T)
  const tokens = samples.reduce((sum, { lossMask }) => sum + lossMask.reduce((count, bit) => count + bit, 0), 0);
  const total = divergences.reduce((sum, own) => sum + own.reduce((ownSum, value) => ownSum + value, 0), 0);
  return {
    samples: samples.map((sample, index) => following(sample, divergences[index]!)),
    meanDivergence: tokens === 0 ? 0 : total / tokens,
  };
}

function following(sample: BatchSample, divergence: Float64Array): BatchSample {
  const { tokenWeight, lossMask } = sample;
  const tokenAdvantages = sample.tokenAdvantages.map((advantage, t) =>
    lossMask[t] === 0 ? 0 : advantage - divergence[t]!,
  );
  return {
    ...sample,
    tokenAdvantages,
    advantages: Float32Array.from(tokenAdvantages, (advantage) => advantage * tokenWeight),
    segments: sample.segments.map((segment) => ({ ...segment, advantage: meanWithin(tokenAdvantages, segment) })),
  };
}

/** Returns the mean advantage of a response's tokens, as it is shown. */
function meanWithin(values: Float64Array, { start, end }: SampleSegment): number {
  return values.subarray(start, end).reduce((sum, value) => sum + value, 0) / (end - start);
}
