import { type BackendCapabilities, type Loss, BackendError, checkLogprobs } from '@agent-lightning/core';
import { policyLossAndDerivative, type PolicyLoss, type PolicyLossValue } from './policy-loss.ts';
import { maskSequences, type RatioBounds, type SequenceSample } from './sequence-ratio.ts';

/** The objective that a training step minimises, as data: a policy loss, with sequences left out and a pull to the reference where asked for. */
export interface Objective {
  readonly loss: PolicyLoss;
  /**
   * Leaves a call's response out, KL included, when the geometric mean of its ratios is outside these bounds, since
   * such a response is too far from the trained policy. @source NeMo-RL's sequence mask; arXiv:2512.23075 on masking
   */
  readonly sequenceMask?: RatioBounds;
  /**
   * β of KL(policy ‖ reference) within the loss, by k3: + β·w·(e^d − d − 1) a token, d = ref − lp, w the token's loss weight.
   * @source DeepSeekMath, arXiv:2402.03300 eq. 4
   */
  readonly referenceKl?: number;
}

/** A sample as an objective reads it; every `BatchSample` is one. */
export interface ObjectiveSample extends SequenceSample {
  readonly tokenWeight: number;
  /** Shape (T,), nats: the reference's log-probabilities; needed for `referenceKl`. */
  readonly referenceLogprobs?: ArrayLike<number>;
}

/** The losses that a backend builds in. */
export type BuiltInLosses = Pick<BackendCapabilities, 'losses' | 'dualClip'>;

/** Returns the built-in loss that equals the objective, or undefined where the backend has none: then the derivative is sent. */
export function builtInLoss(objective: Objective, { losses, dualClip }: BuiltInLosses): Loss | undefined {
  if (objective.sequenceMask !== undefined || (objective.referenceKl ?? 0) !== 0) return undefined;
  const { loss } = objective;
  if (loss.name === 'gspo' || loss.name === 'icepop') return undefined;
  if (loss.name === 'ppo' && loss.dualClip !== undefined && dualClip !== true) return undefined;
  const same: Loss =
    loss.name === 'truncated_importance_sampling' ? { name: 'cispo', clipLow: 0, clipHigh: loss.clipHigh } : loss;
  return losses.includes(same.name) ? same : undefined;
}

/** Tells whether a backend with these losses can train the objective, by itself or by a weighted cross entropy. */
export function isTrainable(objective: Objective, builtIn: BuiltInLosses): boolean {
  return builtIn.losses.includes('cross_entropy') || builtInLoss(objective, builtIn) !== undefined;
}

/**
 * Computes the objective over one sample and its analytic derivative, in float64. `toSurrogateSample` makes of the derivative a sample that has
 * the same gradient under `cross_entropy`, on every backend.
 * @param logprobs shape (T,), nats: the policy's log-probabilities now
 * @throws {BackendError} `samples-invalid` for another length or missing reference, `numerics` for a number that is not finite
 */
export function objectiveAndDerivative(
  sample: ObjectiveSample,
  logprobs: ArrayLike<number>,
  objective: Objective,
): PolicyLossValue {
  checkLogprobs(sample, logprobs);
  const kept = objective.sequenceMask === undefined ? sample : maskSequences(sample, logprobs, objective.sequenceMask);
  const { loss, derivative, clippedTokens } = policyLossAndDerivative(kept, logprobs, objective.loss);
  const masked = countTrained(sample) - countTrained(kept);
  const pull = referenceKl(kept, logprobs, objective.referenceKl ?? 0, derivative);
  return { loss: loss + pull, derivative, clippedTokens: clippedTokens + masked };
}

/** Returns β·w·Σ_t k3, and adds its derivative β·w·(1 − e^d) to `derivative`. */
function referenceKl(
  sample: ObjectiveSample,
  logprobs: ArrayLike<number>,
  coefficient: number,
  derivative: Float64Array,
): number {
  if (coefficient === 0) return 0;
  const reference = sample.referenceLogprobs;
  if (reference === undefined)
    throw new BackendError('a sample has no reference log-probabilities; ask the policy for them by forwardBase', {
      code: 'samples-invalid',
    });
  checkLogprobs(sample, reference);
  let sum = 0;
  for (let t = 0; t < sample.tokens.length; t += 1) {
    if (sample.lossMask[t] === 0) continue;
    const difference = reference[t]! - logprobs[t]!;
    sum += coefficient * sample.tokenWeight * (Math.exp(difference) - difference - 1);
    derivative[t]! += coefficient * sample.tokenWeight * (1 - Math.exp(difference));
  }
  return sum;
}

function countTrained(sample: SequenceSample): number {
  return sample.segments.reduce((sum, { start, end }) => sum + end - start, 0);
}
