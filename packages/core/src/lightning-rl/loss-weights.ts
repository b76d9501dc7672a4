import { ConfigurationError } from '../errors.ts';
import type { BatchRow, TokenWeighting } from './batch.ts';

/** Throws what is wrong with a token weighting. @throws {ConfigurationError} `option-invalid` */
export function checkTokenWeighting(weighting: TokenWeighting): void {
  if (weighting === 'rollout' || weighting === 'token') return;
  if (
    typeof weighting !== 'object' ||
    weighting === null ||
    !(weighting.constant > 0 && Number.isFinite(weighting.constant))
  ) {
    throw new ConfigurationError(
      `tokenWeighting is ${JSON.stringify(weighting)}; give 'rollout', 'token' or { constant } with a number of tokens above 0`,
      { code: 'option-invalid' },
    );
  }
}

/**
 * The rows with their loss weights folded into `advantages`, as losses that are sums need it. Weights depend on the
 * rollouts and on their trained tokens only, so the loss is the same however a rollout is split into rows. Policies are
 * weighed apart: R and N count what the row's own policy did. The rows that are given are not changed.
 */
export function weighRows(rows: readonly BatchRow[], weighting: TokenWeighting): readonly BatchRow[] {
  const weightOf = new Map<string, (rolloutId: string) => number>();
  for (const [policy, own] of Map.groupBy(rows, (row) => row.policy)) weightOf.set(policy, tokenWeight(own, weighting));
  return rows.map((row) => weighed(row, weightOf.get(row.policy)!(row.rolloutId)));
}

/** The weight of one token by rollout, for the rows of one policy. */
function tokenWeight(rows: readonly BatchRow[], weighting: TokenWeighting): (rolloutId: string) => number {
  const tokensOf = new Map<string, number>(); // N(ρ)
  for (const row of rows) tokensOf.set(row.rolloutId, (tokensOf.get(row.rolloutId) ?? 0) + trainedTokens(row));
  const rolloutCount = tokensOf.size; // R
  if (weighting === 'rollout') return (rolloutId) => 1 / (rolloutCount * tokensOf.get(rolloutId)!);
  const all =
    weighting === 'token'
      ? [...tokensOf.values()].reduce((sum, count) => sum + count, 0)
      : rolloutCount * weighting.constant;
  return () => 1 / all;
}

function weighed(row: BatchRow, weight: number): BatchRow {
  return {
    ...row,
    advantages: Float32Array.from(row.tokenAdvantages, (advantage) => advantage * weight),
    tokenWeight: weight,
  };
}

function trainedTokens(row: BatchRow): number {
  return row.segments.reduce((sum, segment) => sum + segment.end - segment.start, 0);
}
