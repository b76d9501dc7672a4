/** Says when a mutation is accepted: when it earns more than its parent on the minibatch, or no less. */
export type AcceptanceRule = 'improvement' | 'improvement-or-equal';

/** Decides whether a mutation is accepted. @param before the parent's rewards on the minibatch @param after the mutation's, on the same tasks */
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
