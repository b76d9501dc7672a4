import type { Loss, TrainingRow } from '../backend.ts';
import { BackendError } from '../errors.ts';

/** How far the policy is from the one that sampled; over trained tokens, each token alike. */
export interface PolicyDrift {
  readonly trainedTokens: number;
  /** Mean and maximum of r = exp(lp − q); 1 when trainer and sampler agree. */
  readonly meanRatio: number;
  readonly maxRatio: number;
  /** Share of the tokens that the loss clips: for `ppo` those without gradient, for `cispo` those with a clipped weight. */
  readonly clipFraction: number;
  /** KL(sampler ‖ policy) in nats, estimated by −log r: unbiased, and negative at times. @source Schulman, "Approximating KL divergence", k1 */
  readonly klK1: number;
  /** The same by r − 1 − log r: unbiased, and never negative. @source ibid., k3 */
  readonly klK3: number;
}

/**
 * Compares the policy's log-probabilities with those at sampling time. Before any update it measures how well sampler and
 * trainer agree; during updates, how far the policy has moved.
 * @param logprobs per row, shape (T,), nats
 * @throws {BackendError} `rows-invalid` when the log-probabilities are not those of the rows, `numerics` when one is not finite
 */
export function policyDrift(
  rows: readonly TrainingRow[],
  logprobs: readonly ArrayLike<number>[],
  loss?: Loss,
): PolicyDrift {
  let count = 0;
  let ratios = 0;
  let maxRatio = 0;
  let clipped = 0;
  let k1 = 0;
  rows.forEach((row, index) => {
    const now = logprobs[index];
    if (now?.length !== row.tokens.length) {
      throw new BackendError(
        `row ${index} of ${row.tokens.length} tokens has ${now?.length ?? 'no'} log-probabilities`,
        { code: 'rows-invalid' },
      );
    }
    for (let t = 0; t < row.tokens.length; t += 1) {
      if (row.lossMask[t] === 0) continue;
      const logRatio = now[t]! - row.logprobs[t]!;
      if (!Number.isFinite(logRatio)) {
        throw new BackendError(
          `token ${t} of row ${index} has the log-probability ${now[t]}, and had ${row.logprobs[t]} when sampled`,
          { code: 'numerics' },
        );
      }
      const ratio = Math.exp(logRatio);
      count += 1;
      ratios += ratio;
      k1 -= logRatio;
      maxRatio = Math.max(maxRatio, ratio);
      if (loss !== undefined && isClipped(loss, ratio, row.advantages[t]!)) clipped += 1;
    }
  });
  const tokens = Math.max(count, 1);
  const meanRatio = count === 0 ? 1 : ratios / count;
  return {
    trainedTokens: count,
    meanRatio,
    maxRatio: count === 0 ? 1 : maxRatio,
    clipFraction: clipped / tokens,
    klK1: k1 / tokens,
    klK3: meanRatio - 1 + k1 / tokens,
  };
}

function isClipped(loss: Loss, ratio: number, advantage: number): boolean {
  if (loss.name === 'cispo') return ratio < loss.clipLow || ratio > loss.clipHigh;
  if (loss.name !== 'ppo') return false;
  return (advantage > 0 && ratio > loss.clipHigh) || (advantage < 0 && ratio < loss.clipLow);
}
