import type { TrainingRow, BatchRow } from '@agent-lightning/core';

/** A row whose sequences are known. A sequence is the response of one call: a row may hold several, and each stands alone. */
export interface SequenceRow extends TrainingRow {
  readonly segments: readonly Pick<BatchRow['segments'][number], 'start' | 'end'>[];
}

/** Absolute importance ratios, such as 0.999 and 1.002. */
export interface RatioBounds {
  readonly low: number;
  readonly high: number;
}

/**
 * The importance ratio of one call's response as a whole: the geometric mean of its tokens' ratios, exp(1/T · Σ_t (lp_t − q_t)).
 * @source GSPO, arXiv:2507.18071
 */
export function sequenceRatio(
  row: TrainingRow,
  logprobs: ArrayLike<number>,
  { start, end }: Pick<BatchRow['segments'][number], 'start' | 'end'>,
): number {
  let sum = 0;
  for (let t = start; t < end; t += 1) sum += logprobs[t]! - row.logprobs[t]!;
  return Math.exp(sum / (end - start));
}

/**
 * The row without the sequences whose ratio is outside the bounds: they lose mask and advantages, so that they add nothing to
 * a loss or its gradient. The row that is given is not changed.
 */
export function maskSequences<Row extends SequenceRow>(
  row: Row,
  logprobs: ArrayLike<number>,
  { low, high }: RatioBounds,
): Row {
  const isKept = (segment: Pick<BatchRow['segments'][number], 'start' | 'end'>): boolean => {
    const ratio = sequenceRatio(row, logprobs, segment);
    return ratio >= low && ratio <= high;
  };
  const segments = row.segments.filter(isKept);
  if (segments.length === row.segments.length) return row;
  const lossMask = new Uint8Array(row.tokens.length);
  for (const { start, end } of segments) lossMask.fill(1, start, end);
  return {
    ...row,
    segments,
    lossMask,
    advantages: row.advantages.map((advantage, t) => (lossMask[t] === 0 ? 0 : advantage)),
  };
}
