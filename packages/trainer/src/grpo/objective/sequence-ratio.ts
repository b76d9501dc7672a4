import type { TrainingSample, BatchSample } from '@agent-lightning/core';

/** A sample whose sequences are known. A sequence is the response of one call: a sample may hold several, and each stands alone. */
export interface SequenceSample extends TrainingSample {
  readonly segments: readonly Pick<BatchSample['segments'][number], 'start' | 'end'>[];
}

/** Absolute importance ratios, such as 0.999 and 1.002. */
export interface RatioBounds {
  readonly low: number;
  readonly high: number;
}

/** Bounds the mean log-ratio of a sequence, in nats, as the losses of a token bound theirs. */
const largestLogRatio = 20;

/** The largest ratio that a sequence can have, and one over it the smallest; there it has no gradient. */
export const largestRatio: number = Math.exp(largestLogRatio);

/**
 * Returns the importance ratio of one call's response as a whole: the geometric mean of its tokens' ratios, exp(1/T · Σ_t (lp_t − q_t)),
 * with the mean counted as ±20 where it is beyond ±20, so that the ratio is finite.
 * @source GSPO, arXiv:2507.18071
 */
export function sequenceRatio(
  sample: TrainingSample,
  logprobs: ArrayLike<number>,
  { start, end }: Pick<BatchSample['segments'][number], 'start' | 'end'>,
): number {
  let sum = 0;
  for (let t = start; t < end; t += 1) sum += logprobs[t]! - sample.logprobs[t]!;
  return Math.exp(Math.min(Math.max(sum / (end - start), -largestLogRatio), largestLogRatio));
}

/**
 * Returns the sample without the sequences whose ratio is outside the bounds: they lose mask and advantages, so that they add nothing to
 * a loss or its gradient. The sample that is given is not changed.
 */
export function maskSequences<Sample extends SequenceSample>(
  sample: Sample,
  logprobs: ArrayLike<number>,
  { low, high }: RatioBounds,
): Sample {
  const isKept = (segment: Pick<BatchSample['segments'][number], 'start' | 'end'>): boolean => {
    const ratio = sequenceRatio(sample, logprobs, segment);
    return ratio >= low && ratio <= high;
  };
  const segments = sample.segments.filter(isKept);
  if (segments.length === sample.segments.length) return sample;
  const lossMask = new Uint8Array(sample.tokens.length);
  for (const { start, end } of segments) lossMask.fill(1, start, end);
  return {
    ...sample,
    segments,
    lossMask,
    advantages: sample.advantages.map((advantage, t) => (lossMask[t] === 0 ? 0 : advantage)),
  };
}
