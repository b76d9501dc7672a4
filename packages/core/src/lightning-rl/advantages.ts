/**
 * The inner level: from the returns of a batch to advantages, by any single-turn method. The unit of every statistic
 * is the rollout: a rollout of K calls enters each mean and variance with weight 1/K for each of its calls.
 */

/**
 * Names the formula that turns returns into advantages. With G_ρk the return of call k of rollout ρ, S_ρ its mean over the rollout's calls, a group of n rollouts,
 * m = mean_ρ S_ρ and s² = 1/(n−1) · Σ_ρ mean_k (G_ρk − m)², all over the group, and m_B, s_B the same over the batch:
 *
 * - `grpo`: (G − m) / (s + ε). @source DeepSeekMath, arXiv:2402.03300 §4.1.2; sample deviation and ε as verl has them
 * - `dr_grpo`: G − m. @source arXiv:2503.20783 §3.2
 * - `rloo`: G_ρk − mean_(σ≠ρ) S_σ. @source arXiv:2402.14740
 * - `reinforce++`: (G − m_B) / (s_B + ε), no groups. @source arXiv:2501.03262 (k = 1)
 * - `reinforce++-baseline`: D = G − m, then D / (s_B(D) + ε); the batch mean of D is 0. @source arXiv:2501.03262 (k > 1)
 * - `gae`: 0 for now, no groups; a critic gives the advantage of each token later: see `applyCritic`. @source arXiv:1506.02438
 *
 * With one return for all calls of a rollout (credit `identical`) these are the formulas of the papers.
 */
export type Estimator = 'grpo' | 'dr_grpo' | 'rloo' | 'reinforce++' | 'reinforce++-baseline' | 'gae';

export const estimators: readonly Estimator[] = [
  'grpo',
  'dr_grpo',
  'rloo',
  'reinforce++',
  'reinforce++-baseline',
  'gae',
];

type GroupEstimator = Exclude<Estimator, 'reinforce++' | 'gae'>;

/** Keeps a deviation of nearly 0 from blowing an advantage up. */
export const deviationEpsilon = 1e-6;

/** One rollout's returns as an estimator sees them. */
export interface RolloutReturns {
  readonly rolloutId: string;
  readonly groupId: string;
  /** Shape (K,), K ≥ 1, finite. */
  readonly returns: Float64Array;
}

export interface AdvantageEstimate {
  /** The advantages of the calls of each rollout, shape (K,). Rollouts of dropped groups are absent. */
  readonly advantages: ReadonlyMap<string, Float64Array>;
  readonly zeroVarianceGroups: readonly string[];
  readonly singletonGroups: readonly string[];
}

/** Estimates the advantage of every call of a batch; groups that carry no signal are left out and named. */
export function estimateAdvantages(rollouts: readonly RolloutReturns[], estimator: Estimator): AdvantageEstimate {
  return estimator === 'reinforce++' || estimator === 'gae'
    ? acrossBatch(rollouts, estimator)
    : withinGroups(rollouts, estimator);
}

function acrossBatch(rollouts: readonly RolloutReturns[], estimator: 'reinforce++' | 'gae'): AdvantageEstimate {
  const groupIds = [...groupsOf(rollouts).keys()];
  const returns = rollouts.map((rollout) => rollout.returns);
  if (returns.length === 1) return { advantages: new Map(), zeroVarianceGroups: [], singletonGroups: groupIds };
  if (!hasSignal(returns)) return { advantages: new Map(), zeroVarianceGroups: groupIds, singletonGroups: [] };
  if (estimator === 'gae') {
    const unknown = rollouts.map(({ rolloutId, returns: own }) => [rolloutId, new Float64Array(own.length)] as const);
    return { advantages: new Map(unknown), zeroVarianceGroups: [], singletonGroups: [] };
  }
  const center = mean(returns.map(mean));
  const deviation = sampleDeviation(returns, center);
  const normalised = rollouts.map((rollout): [string, Float64Array] => [
    rollout.rolloutId,
    rollout.returns.map((value) => (value - center) / (deviation + deviationEpsilon)),
  ]);
  return { advantages: new Map(normalised), zeroVarianceGroups: [], singletonGroups: [] };
}

function withinGroups(rollouts: readonly RolloutReturns[], estimator: GroupEstimator): AdvantageEstimate {
  const advantages = new Map<string, Float64Array>();
  const zeroVarianceGroups: string[] = [];
  const singletonGroups: string[] = [];
  for (const [groupId, group] of groupsOf(rollouts)) {
    const returns = group.map((rollout) => rollout.returns);
    if (returns.length === 1) singletonGroups.push(groupId);
    else if (!hasSignal(returns)) zeroVarianceGroups.push(groupId);
    else groupAdvantages(returns, estimator).forEach((value, index) => advantages.set(group[index]!.rolloutId, value));
  }
  return {
    advantages: estimator === 'reinforce++-baseline' ? scaledByBatch(advantages) : advantages,
    zeroVarianceGroups,
    singletonGroups,
  };
}

/** Returns the advantages of each rollout of one group, shape (K,). */
function groupAdvantages(returns: readonly Float64Array[], estimator: GroupEstimator): Float64Array[] {
  const scores = returns.map(mean);
  const center = mean(scores);
  if (estimator === 'rloo') {
    const total = center * scores.length;
    return returns.map((own, index) => {
      const othersMean = (total - scores[index]!) / (scores.length - 1);
      return own.map((value) => value - othersMean);
    });
  }
  const scale = estimator === 'grpo' ? sampleDeviation(returns, center) + deviationEpsilon : 1;
  return returns.map((own) => own.map((value) => (value - center) / scale));
}

function scaledByBatch(differences: ReadonlyMap<string, Float64Array>): ReadonlyMap<string, Float64Array> {
  if (differences.size === 0) return differences;
  const scale = sampleDeviation([...differences.values()], 0) + deviationEpsilon;
  return new Map([...differences].map(([rolloutId, values]) => [rolloutId, values.map((value) => value / scale)]));
}

/**
 * Tells whether the returns of a group show that one rollout was better than another: not when all returns are equal, and not when every
 * rollout has the same sequence of returns (which `discounted` gives to equal rewards: what would remain is noise).
 */
function hasSignal(returns: readonly Float64Array[]): boolean {
  const first = returns[0]!;
  const allEqual = returns.every((own) => own.every((value) => isSame(value, first[0]!)));
  const sameSequence = returns.every(
    (own) => own.length === first.length && own.every((value, index) => isSame(value, first[index]!)),
  );
  return !allEqual && !sameSequence;
}

/** Tells whether two returns are equal but for the rounding of sums: the same rewards added in another order are no signal. */
function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}

function groupsOf(rollouts: readonly RolloutReturns[]): ReadonlyMap<string, readonly RolloutReturns[]> {
  return Map.groupBy(rollouts, (rollout) => rollout.groupId);
}

function mean(values: ArrayLike<number>): number {
  let sum = 0;
  for (let index = 0; index < values.length; index += 1) sum += values[index]!;
  return sum / values.length;
}

/** Returns √( 1/(n−1) · Σ_ρ mean_k (G_ρk − center)² ), n ≥ 2. */
function sampleDeviation(returns: readonly Float64Array[], center: number): number {
  const squares = returns.map((own) => mean(own.map((value) => (value - center) ** 2)));
  return Math.sqrt((mean(squares) * squares.length) / (squares.length - 1));
}
