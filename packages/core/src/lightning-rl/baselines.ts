/** The baselines that returns are compared with. */
import { mean } from './spread.ts';

/** The returns of a rollout, and where they were earned. */
export interface PlacedReturns {
  /** Shape (K,). */
  readonly returns: Float64Array;
  /** The position of each call in its agent's work; absent where all calls of a rollout share one return. */
  readonly positions?: readonly string[];
}

/** Returns the mean over all rollouts of S, the mean of a rollout's returns. */
export function meanScore(rollouts: readonly PlacedReturns[]): number {
  return mean(rollouts.map(({ returns }) => mean(returns)));
}

/** Returns for each rollout the mean of S over the others; n ≥ 2. */
export function leaveOneOutMeans(rollouts: readonly PlacedReturns[]): readonly number[] {
  const scores = rollouts.map(({ returns }) => mean(returns));
  const total = mean(scores) * scores.length;
  return scores.map((score) => (total - score) / (scores.length - 1));
}

/**
 * Returns the baseline of each call, shape (n, K): the mean of the returns that the others had at the same position, where at least two others
 * reached it, else the leave-one-out mean of the group. A rollout with several calls at a position counts there by their mean.
 */
export function baselinesByPosition(rollouts: readonly Required<PlacedReturns>[]): readonly Float64Array[] {
  const fallbacks = leaveOneOutMeans(rollouts);
  const reached = rollouts.map(meansByPosition);
  const totals = new Map<string, { sum: number; count: number }>();
  for (const means of reached)
    for (const [position, value] of means) {
      const { sum, count } = totals.get(position) ?? { sum: 0, count: 0 };
      totals.set(position, { sum: sum + value, count: count + 1 });
    }
  return rollouts.map(({ positions }, index) =>
    Float64Array.from(positions, (position) => {
      const { sum, count } = totals.get(position)!;
      return count > 2 ? (sum - reached[index]!.get(position)!) / (count - 1) : fallbacks[index]!;
    }),
  );
}

function meansByPosition({ returns, positions }: Required<PlacedReturns>): ReadonlyMap<string, number> {
  const at = Map.groupBy(positions.keys(), (index) => positions[index]!);
  return new Map([...at].map(([position, indexes]) => [position, mean(indexes.map((index) => returns[index]!))]));
}
