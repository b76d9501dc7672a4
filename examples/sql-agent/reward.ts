/** The reward: does the agent's query give the same answer as the question's own? */
import { runQuery, type Cell } from './query.ts';

/** 1 when both queries run and give the same rows, else 0. The order of rows counts where the gold query orders them. */
export function executionReward(
  { database, gold }: { readonly database: string; readonly gold: string },
  query: string,
): number {
  const expected = runQuery(database, gold).rows;
  const actual = runQuery(database, query).rows;
  if (expected === undefined || actual === undefined || expected.length !== actual.length) return 0;
  const ordered = /\bORDER BY\b/i.test(gold);
  return fingerprint(expected, ordered) === fingerprint(actual, ordered) ? 1 : 0;
}

function fingerprint(rows: readonly (readonly Cell[])[], ordered: boolean): string {
  const lines = rows.map((row) => JSON.stringify(row.map(normalized)));
  return (ordered ? lines : lines.sort()).join('\n');
}

/** Sums in another order differ in the last digits; 12 of them are enough to tell two answers apart. */
function normalized(cell: Cell): string | number | null {
  if (typeof cell === 'bigint') return Number(cell);
  return typeof cell === 'number' ? Number(cell.toPrecision(12)) : cell;
}
