import { type Loss, ConfigurationError, checkLogprobs, lossAndDerivative } from '@agent-lightning/core';
import { largestRatio, sequenceRatio, type SequenceSample } from './sequence-ratio.ts';

/**
 * A policy-gradient loss: one of the backend contract's, or one that is defined here, which every backend that has a weighted cross entropy
 * can train. A SUM like those, over tokens or over sequences; with lp, q, A and r as in `Loss`:
 *
 * - `truncated_importance_sampling`: −Σ stopGradient(min(r, clipHigh))·lp·A. @source Ionides 2008; token TIS in verl
 * - `icepop`: −Σ r·A where clipLow ≤ r ≤ clipHigh, else 0: a token on which sampler and trainer disagree is left out.
 *   @source "Every Step Evolves", arXiv:2510.18855 (IcePop)
 * - `gspo`: −Σ_sequences min(s·a, clip(s, clipLow, clipHigh)·a), with s the sequence's ratio (the geometric mean of its r) and
 *   a the sum of its A. A sequence is the response of one call. With `dualClip`, at most −dualClip·a where a < 0, without a gradient
 *   beyond, as `ppo` has it. @source GSPO, arXiv:2507.18071
 */
export type PolicyLoss =
  | Exclude<Loss, { readonly name: 'cross_entropy' }>
  | { readonly name: 'truncated_importance_sampling'; readonly clipHigh: number }
  | { readonly name: 'icepop'; readonly clipLow: number; readonly clipHigh: number }
  | { readonly name: 'gspo'; readonly clipLow: number; readonly clipHigh: number; readonly dualClip?: number };

export const policyLosses: readonly PolicyLoss['name'][] = [
  'importance_sampling',
  'ppo',
  'cispo',
  'truncated_importance_sampling',
  'icepop',
  'gspo',
];

/** A policy loss, its derivative, and how much of it was clipped. */
export interface PolicyLossValue extends ReturnType<typeof lossAndDerivative> {
  /** Trained tokens that the loss clips: without gradient for `ppo`, `icepop` and `gspo`, with a bounded weight for the others. */
  readonly clippedTokens: number;
}

/**
 * Computes a policy loss and its analytic derivative; this is the reference for every policy loss.
 * @param logprobs shape (T,), nats: the policy's log-probabilities now; read where `lossMask` is 1
 * @throws {BackendError} `samples-invalid` for another length, `numerics` for a log-probability that is not finite
 * @throws {ConfigurationError} `option-invalid` for clip bounds that are no interval
 */
export function policyLossAndDerivative(
  sample: SequenceSample,
  logprobs: ArrayLike<number>,
  loss: PolicyLoss,
): PolicyLossValue {
  if (loss.name === 'gspo') return sequenceLoss(sample, logprobs, loss);
  return { ...tokenLoss(sample, logprobs, loss), clippedTokens: countClipped(sample, logprobs, loss) };
}

type TokenLoss = Exclude<PolicyLoss, { readonly name: 'gspo' }>;
type SequenceLoss = Extract<PolicyLoss, { readonly name: 'gspo' }>;

function tokenLoss(
  sample: SequenceSample,
  logprobs: ArrayLike<number>,
  loss: TokenLoss,
): ReturnType<typeof lossAndDerivative> {
  if (loss.name === 'truncated_importance_sampling')
    return lossAndDerivative(sample, logprobs, { name: 'cispo', clipLow: 0, clipHigh: loss.clipHigh });
  if (loss.name !== 'icepop') return lossAndDerivative(sample, logprobs, loss);
  checkClip(loss);
  const { derivative } = lossAndDerivative(sample, logprobs, { name: 'importance_sampling' });
  let sum = 0;
  derivative.forEach((slope, t) => {
    if (sample.lossMask[t] === 0) return;
    if (isClipped(loss, Math.exp(logprobs[t]! - sample.logprobs[t]!), sample.advantages[t]!)) derivative[t] = 0;
    else sum += slope; // −r·A, of which the derivative is −r·A
  });
  return { loss: sum, derivative };
}

function sequenceLoss(sample: SequenceSample, logprobs: ArrayLike<number>, loss: SequenceLoss): PolicyLossValue {
  checkLogprobs(sample, logprobs);
  checkClip(loss);
  const derivative = new Float64Array(sample.tokens.length);
  let sum = 0;
  let clippedTokens = 0;
  for (const segment of sample.segments) {
    const { start, end } = segment;
    const ratio = sequenceRatio(sample, logprobs, segment);
    let advantage = 0;
    for (let t = start; t < end; t += 1) advantage += sample.advantages[t]!;
    const { dualClip = Infinity } = loss;
    if (advantage < 0 && ratio > dualClip) {
      sum -= dualClip * advantage;
      clippedTokens += end - start;
      continue;
    }
    const clipped = Math.min(Math.max(ratio, loss.clipLow), loss.clipHigh) * advantage;
    const gain = ratio * advantage;
    sum -= Math.min(gain, clipped);
    if (clipped < gain) clippedTokens += end - start;
    else if (ratio < largestRatio && ratio > 1 / largestRatio) derivative.fill(-gain / (end - start), start, end); // ds/d lp_t = s/T
  }
  return { loss: sum, derivative, clippedTokens };
}

function countClipped(sample: SequenceSample, logprobs: ArrayLike<number>, loss: TokenLoss): number {
  return sample.lossMask.reduce((count, mask, t) => {
    const isCounted =
      mask !== 0 && isClipped(loss, Math.exp(logprobs[t]! - sample.logprobs[t]!), sample.advantages[t]!);
    return isCounted ? count + 1 : count;
  }, 0);
}

function isClipped(loss: TokenLoss, ratio: number, advantage: number): boolean {
  switch (loss.name) {
    case 'importance_sampling':
      return false;
    case 'ppo':
      if (advantage > 0) return ratio > loss.clipHigh;
      return advantage < 0 && (ratio < loss.clipLow || ratio > (loss.dualClip ?? Infinity));
    case 'truncated_importance_sampling':
      return ratio > loss.clipHigh;
    case 'cispo':
    case 'icepop':
      return ratio < loss.clipLow || ratio > loss.clipHigh;
  }
}

function checkClip({ name, clipLow, clipHigh }: Extract<PolicyLoss, { readonly clipLow: number }>): void {
  if (clipLow >= 0 && clipHigh >= clipLow && clipHigh < Infinity) return;
  throw new ConfigurationError(
    `${name} has the clip bounds ${clipLow} and ${clipHigh}; give absolute ratios, the lower first`,
    { code: 'option-invalid' },
  );
}
