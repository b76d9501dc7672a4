import { errorOfGain } from './noise.ts';

/** Says when a mutation is accepted: when it earns more than its parent on the minibatch, or no less. */
export type AcceptanceRule = 'improvement' | 'improvement-or-equal';

/** The standard errors by which a mutation has to be better: luck is as large in 1 of 20 comparisons of equal prompts. */
const clearErrors = 1.645;
/** The standard errors below which a comparison with more tasks is not worth them. */
const openErrors = 0.5;
/** The standard errors by which a candidate has to be better than the prompts as they are, on the selection tasks, to take their place. */
const winningErrors = 1.3;

/**
 * Decides about a mutation by its parent's rewards and its own on the same tasks. `open` asks for more tasks: its gain may be luck, and may be none. Without noise
 * it is never open, and the decision is gepa's.
 * @param noise variance of the reward when a candidate runs a task again
 */
export function compareWithParent(
  before: readonly number[],
  after: readonly number[],
  noise: number,
  rule: AcceptanceRule = 'improvement',
): 'accepted' | 'open' | 'rejected' {
  if (noise === 0) return isAccepted(before, after, rule) ? 'accepted' : 'rejected';
  const gain = (sum(after) - sum(before)) / before.length;
  const error = errorOfGain(noise, before.length);
  if (gain > clearErrors * error) return 'accepted';
  return gain > openErrors * error || (rule === 'improvement-or-equal' && gain >= 0) ? 'open' : 'rejected';
}

/** Tells whether a candidate is better on the selection tasks than the prompts as they are by more than luck gives easily. */
export function isClearlyBetter(first: readonly number[], candidate: readonly number[], noise: number): boolean {
  const gain = (sum(candidate) - sum(first)) / first.length;
  return gain > winningErrors * errorOfGain(noise, first.length);
}

/** Decides whether a mutation is accepted: by the sums of the rewards alone. @param before the parent's rewards on the minibatch @param after the mutation's, on the same tasks */
export function isAccepted(
  before: readonly number[],
  after: readonly number[],
  rule: AcceptanceRule = 'improvement',
): boolean {
  const gain = sum(after) - sum(before);
  return rule === 'improvement' ? gain > 0 : gain >= 0;
}

/** Decides whether a merge is accepted: it earns on the subsample no less than the better one of the two. @param parents the rewards of each on the subsample */
export function isMergeAccepted(
  parents: readonly [readonly number[], readonly number[]],
  merged: readonly number[],
): boolean {
  return sum(merged) >= Math.max(...parents.map(sum));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
