import type { BatchRow } from '@agent-lightning/core';

export interface PenalisedRows {
  readonly rows: readonly BatchRow[];
  /** Mean of log π − log π_base per trained token, in nats: the k1 estimate of the divergence. */
  readonly klBase: number;
}

/**
 * Adds the penalty −β·KL(π ‖ π_base) to the objective by way of the advantages.
 *
 * For tokens sampled from π, ∇ KL = E[ (log π − log π_base) · ∇ log π ], so −β times the difference is a token's extra
 * advantage: the k1 estimator in the reward, each token for itself (no credit to earlier tokens), unbiased in its
 * gradient, unlike k3 as a loss term. Subtracting the weighted mean difference is a baseline: it lowers the variance and
 * leaves the expectation as it is. The term carries the token's own loss weight w, so it does not depend on the split
 * into rows either:
 *
 *     A'_t·w_t = A_t·w_t − β·w_t·(d_t − Σ w·d / Σ w),   d_t = q_t − lp_base_t
 *
 * @param baseLogprobs per row, shape (T,), nats: log-probabilities under the frozen base model
 * @param coefficient β ≥ 0
 * @source Schulman, "Approximating KL divergence" (2020), k1; arXiv:2506.09477 on where the term belongs
 */
export function penaliseKl(rows: readonly BatchRow[], baseLogprobs: readonly Float32Array[], coefficient: number): PenalisedRows {
  let weightSum = 0;
  let weightedDifference = 0;
  let differenceSum = 0;
  let tokens = 0;
  forEachTrainedToken(rows, (row, index, t, weight) => {
    const difference = row.logprobs[t]! - baseLogprobs[index]![t]!;
    weightSum += weight;
    weightedDifference += weight * difference;
    differenceSum += difference;
    tokens += 1;
  });
  if (tokens === 0) return { rows, klBase: 0 };
  const baseline = weightedDifference / weightSum;
  const advantages = rows.map((row) => Float32Array.from(row.advantages));
  forEachTrainedToken(rows, (row, index, t, weight) => {
    advantages[index]![t]! -= coefficient * weight * (row.logprobs[t]! - baseLogprobs[index]![t]! - baseline);
  });
  return { rows: rows.map((row, index) => ({ ...row, advantages: advantages[index]! })), klBase: differenceSum / tokens };
}

function forEachTrainedToken(rows: readonly BatchRow[], visit: (row: BatchRow, index: number, t: number, weight: number) => void): void {
  rows.forEach((row, index) => {
    for (const { start, end, weight } of row.segments) for (let t = start; t < end; t++) visit(row, index, t, weight);
  });
}
