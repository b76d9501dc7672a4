/** The numbers of one sequence of tokens, each of shape (T,): what each token earned, what its state was worth, and whether it was sampled. */
export interface ValuedTokens {
  readonly rewards: ArrayLike<number>;
  /** The critic's value of the state before each token. */
  readonly values: ArrayLike<number>;
  /** 1 where the policy sampled the token; others are skipped, as if they were not there. */
  readonly mask: ArrayLike<number>;
}

/** The two numbers of generalized advantage estimation, each from 0 to 1. */
export interface GeneralizedAdvantageOptions {
  /** γ: a reward counts γ for each sampled token before it. */
  readonly discount: number;
  /** λ: 1 takes what was earned after a token as it is, 0 the critic's value of the next state in its place. */
  readonly lambda: number;
}

/** The result of generalized advantage estimation, each of shape (T,). */
export interface GeneralizedAdvantages {
  /** A_t; at a token that was not sampled, that of the next sampled one. */
  readonly advantages: Float64Array;
  /** A_t + V_t: the target of the critic. */
  readonly targets: Float64Array;
}

/**
 * Estimates advantages of tokens by a critic. Over the sampled tokens, with V = 0 after the last one:
 *
 *     δ_t = r_t + γ·V_(t+1) − V_t,   A_t = δ_t + γ·λ·A_(t+1)
 *
 * @source arXiv:1506.02438, eq. 16; tokens that were not sampled are skipped as verl's `compute_gae_advantage_return` does
 */
export function estimateGeneralizedAdvantages(
  { rewards, values, mask }: ValuedTokens,
  { discount, lambda }: GeneralizedAdvantageOptions,
): GeneralizedAdvantages {
  const advantages = new Float64Array(values.length);
  let nextValue = 0;
  let advantage = 0;
  for (let t = values.length - 1; t >= 0; t -= 1) {
    if (mask[t] !== 0) {
      advantage = rewards[t]! + discount * nextValue - values[t]! + discount * lambda * advantage;
      nextValue = values[t]!;
    }
    advantages[t] = advantage;
  }
  return { advantages, targets: advantages.map((value, t) => value + values[t]!) };
}

/** Keeps the root of a variance of 0 from being a divisor. */
const varianceEpsilon = 1e-8;

/**
 * Returns the numbers less their mean, over their sample deviation, or over `floor` where that is larger: a deviation below it is noise.
 * One number has no deviation, and becomes 0.
 * @source verl's `masked_whiten`
 */
export function whiten(numbers: Float64Array, floor = 0): Float64Array {
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  const squares = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const variance = numbers.length > 1 ? squares / (numbers.length - 1) : 0;
  const scale = Math.max(Math.sqrt(variance + varianceEpsilon), floor);
  return numbers.map((value) => (value - mean) / scale);
}
