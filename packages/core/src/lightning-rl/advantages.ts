/**
 * The inner level: from the returns of a batch to advantages, by any single-turn method. The unit of every statistic
 * is the rollout: a rollout of K calls enters each mean and variance with weight 1/K for each of its calls.
 */
import { baselinesByPosition, leaveOneOutMeans, meanScore, type PlacedReturns } from './baselines.ts';
import { deviationEpsilon, deviationOf, pooledDeviation, smallestSpread } from './spread.ts';

/**
 * Names the formula that turns returns into advantages. With G_ρk the return of call k of rollout ρ, S_ρ its mean over the rollout's calls, a group of n rollouts,
 * m = mean_ρ S_ρ and s² = 1/(n−1) · Σ_ρ mean_k (G_ρk − m)², all over the group, and m_B, s_B the same over the batch:
 *
 * - `grpo`: (G − m) / (spread + ε). @source DeepSeekMath, arXiv:2402.03300 §4.1.2; sample deviation and ε as verl has them
 * - `dr_grpo`: G − m. @source arXiv:2503.20783 §3.2
 * - `rloo`: G_ρk − mean_(σ≠ρ) S_σ. @source arXiv:2402.14740
 * - `reinforce++`: (G − m_B) / (spread + ε), no groups. @source arXiv:2501.03262 (k = 1)
 * - `reinforce++-baseline`: D = G − m, then D / (spread + ε); the batch mean of D is 0. @source arXiv:2501.03262 (k > 1)
 *
 * The papers divide by s, s_B and s_B(D). Ours is the largest of that, of 0.01 · the reward scale, for `grpo` of the pooled deviation within the groups
 * of the batch, and of the whole reward scale where all rollouts earned the same and only shaping tells them apart: so neither noise nor shaping
 * alone gets the advantage of a success. With one return for all calls of a rollout (credit `identical`) the rest is as the papers have it.
 *
 * Where calls have returns of their own, the means of all five give way to a baseline for each call, from the other rollouts of the group (of the batch for
 * `reinforce++`): the mean of the returns at the same position (agent, occurrence), where at least two others reached it, else their mean of S. There s is
 * that of the differences from these baselines: one for a group, never one for a position.
 */
export type Estimator = 'grpo' | 'dr_grpo' | 'rloo' | 'reinforce++' | 'reinforce++-baseline';

export const estimators: readonly Estimator[] = ['grpo', 'dr_grpo', 'rloo', 'reinforce++', 'reinforce++-baseline'];

/** One rollout's returns as an estimator sees them. */
export interface RolloutReturns extends PlacedReturns {
  readonly rolloutId: string;
  readonly groupId: string;
  /** The rewards that the rollout earned, without shaping; of any length, as if 0 followed. Left out where the returns are rewards. */
  readonly earned?: Float64Array;
}

export interface AdvantageEstimate {
  /** The advantages of the calls of each rollout, shape (K,). Rollouts of dropped groups are absent. */
  readonly advantages: ReadonlyMap<string, Float64Array>;
  readonly zeroVarianceGroups: readonly string[];
  readonly singletonGroups: readonly string[];
  /** Groups with advantages whose rollouts all earned the same: only intermediate rewards or a discount tell them apart. */
  readonly shapingOnlyGroups: readonly string[];
}

/** Rollouts that are compared with each other, two or more. */
interface ComparedGroup {
  readonly rollouts: readonly RolloutReturns[];
  /** The differences of the returns from their baselines, shape (n, K); all 0 where nothing tells one rollout from another. */
  readonly differences: readonly Float64Array[];
  readonly signal: Signal;
}

/** What tells the rollouts of a group apart. */
type Signal = 'none' | 'shaping' | 'rewards';

/**
 * Estimates the advantage of every call of a batch; groups that carry no signal are left out and named.
 * @param rewardScale above 0: the difference between a bad rollout and a good one
 */
export function estimateAdvantages(
  rollouts: readonly RolloutReturns[],
  estimator: Estimator,
  rewardScale = 1,
): AdvantageEstimate {
  const all = [...Map.groupBy(rollouts, ({ groupId }) => (estimator === 'reinforce++' ? '' : groupId)).values()];
  const groups = all.filter((group) => group.length > 1).map((group) => compare(group, estimator));
  const spreadOf = chooseSpread(groups, estimator, rewardScale);
  return {
    advantages: new Map(
      groups
        .filter(({ signal }) => signal !== 'none')
        .flatMap((group) => dividedBy(group, isDivided(estimator) ? spreadOf(group) + deviationEpsilon : 1)),
    ),
    zeroVarianceGroups: idsOf(groups, 'none'),
    singletonGroups: all.filter((group) => group.length === 1).map(([alone]) => alone!.groupId),
    shapingOnlyGroups: idsOf(groups, 'shaping'),
  };
}

function compare(rollouts: readonly RolloutReturns[], estimator: Estimator): ComparedGroup {
  const signal = signalOf(rollouts);
  if (signal === 'none')
    return { rollouts, signal, differences: rollouts.map(({ returns }) => new Float64Array(returns.length)) };
  const baselines = baselinesOf(rollouts, estimator);
  return {
    rollouts,
    signal,
    differences: rollouts.map(({ returns }, index) => {
      const baseline = baselines[index]!;
      return returns.map((value, k) => value - (typeof baseline === 'number' ? baseline : baseline[k]!));
    }),
  };
}

/** Returns the baseline of each rollout, or of each of its calls. */
function baselinesOf(
  rollouts: readonly RolloutReturns[],
  estimator: Estimator,
): readonly number[] | readonly Float64Array[] {
  if (rollouts.every(isPlaced)) return baselinesByPosition(rollouts);
  return estimator === 'rloo'
    ? leaveOneOutMeans(rollouts)
    : new Array<number>(rollouts.length).fill(meanScore(rollouts));
}

function isPlaced(rollout: RolloutReturns): rollout is RolloutReturns & Required<PlacedReturns> {
  return rollout.positions !== undefined;
}

function isDivided(estimator: Estimator): boolean {
  return estimator !== 'dr_grpo' && estimator !== 'rloo';
}

/** Returns the function that gives the spread of a group, as {@link Estimator} defines it. */
function chooseSpread(
  groups: readonly ComparedGroup[],
  estimator: Estimator,
  rewardScale: number,
): (group: ComparedGroup) => number {
  const all = groups.map(({ differences }) => differences);
  const ofBatch =
    estimator === 'reinforce++-baseline'
      ? deviationOf(groups.filter(({ signal }) => signal !== 'none').flatMap(({ differences }) => differences))
      : pooledDeviation(all);
  return ({ differences, signal }) =>
    Math.max(
      estimator === 'reinforce++-baseline' ? 0 : deviationOf(differences),
      ofBatch,
      signal === 'shaping' ? rewardScale : smallestSpread * rewardScale,
    );
}

function dividedBy({ rollouts, differences }: ComparedGroup, divisor: number): [string, Float64Array][] {
  return rollouts.map(({ rolloutId }, index) => [rolloutId, differences[index]!.map((value) => value / divisor)]);
}

function idsOf(groups: readonly ComparedGroup[], wanted: Signal): readonly string[] {
  return groups
    .filter(({ signal }) => signal === wanted)
    .flatMap(({ rollouts }) => [...new Set(rollouts.map(({ groupId }) => groupId))]);
}

/**
 * Finds out what tells the rollouts of a group apart: nothing when all returns are equal, nor when every rollout has the same sequence
 * of returns (which `discounted` gives to equal rewards: what would remain is noise); shaping when they all earned the same.
 */
function signalOf(rollouts: readonly RolloutReturns[]): Signal {
  const first = rollouts[0]!.returns;
  const allEqual = rollouts.every(({ returns }) => returns.every((value) => isSame(value, first[0]!)));
  const sameSequence = rollouts.every(
    ({ returns }) => returns.length === first.length && returns.every((value, index) => isSame(value, first[index]!)),
  );
  if (allEqual || sameSequence) return 'none';
  const earned = rollouts.flatMap((rollout) => (rollout.earned === undefined ? [] : [rollout.earned]));
  if (earned.length < rollouts.length) return 'rewards';
  const length = earned.reduce((longest, own) => Math.max(longest, own.length), 0);
  const earnedSame = earned.every((own) =>
    Array.from({ length }, (_, index) => index).every((index) => isSame(own[index] ?? 0, earned[0]![index] ?? 0)),
  );
  return earnedSame ? 'shaping' : 'rewards';
}

/** Tells whether two returns are equal but for the rounding of sums: the same rewards added in another order are no signal. */
function isSame(a: number, b: number): boolean {
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b));
}
