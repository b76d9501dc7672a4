/** The spread that advantages are divided by, which must be that of rewards and never that of noise. */

/** Keeps a deviation of nearly 0 from blowing an advantage up. */
export const deviationEpsilon = 1e-6;

/** The smallest spread, as a share of the reward scale: smaller differences count as what they are, and are not blown up to a success and a failure. */
export const smallestSpread = 0.01;

/** The lowest and the highest return of a rollout that a run has seen, shaping left out. */
export interface RewardRange {
  readonly lowest: number;
  readonly highest: number;
}

/** Returns the range that holds these returns too; undefined when there is none yet. */
export function widenRange(range: RewardRange | undefined, returns: readonly number[]): RewardRange | undefined {
  return returns.reduce<RewardRange | undefined>(
    (widened, value) => ({
      lowest: Math.min(widened?.lowest ?? value, value),
      highest: Math.max(widened?.highest ?? value, value),
    }),
    range,
  );
}

/** Returns the scale of a run's rewards: the range that was seen, and at least 1. */
export function toRewardScale(range: RewardRange | undefined): number {
  return range === undefined ? 1 : Math.max(1, range.highest - range.lowest);
}

/** Returns Σ_ρ mean_k D_ρk², with D the differences of each rollout's returns from their baselines, shape (K,). */
export function sumSquares(differences: readonly Float64Array[]): number {
  return differences.reduce((sum, own) => sum + mean(own.map((value) => value ** 2)), 0);
}

/** Returns √( 1/(n−1) · Σ_ρ mean_k D_ρk² ), n ≥ 2. */
export function deviationOf(differences: readonly Float64Array[]): number {
  return Math.sqrt(sumSquares(differences) / (differences.length - 1));
}

/** Returns the pooled deviation within groups, √( Σ_g Σ_ρ mean_k D_ρk² / Σ_g (n_g − 1) ), each group with n_g ≥ 2. */
export function pooledDeviation(groups: readonly (readonly Float64Array[])[]): number {
  const freedom = groups.reduce((sum, group) => sum + group.length - 1, 0);
  return freedom === 0 ? 0 : Math.sqrt(groups.reduce((sum, group) => sum + sumSquares(group), 0) / freedom);
}

/** Returns the mean of at least one number. */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += values[index]!;
  return sum / values.length;
}
