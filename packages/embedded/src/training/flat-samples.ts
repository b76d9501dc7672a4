/** Distributes training rows over threads, in the arrangement that is posted to them. */
import type { TrainingSample } from '@agent-lightning/core';
import { commonPrefix, compareTokens } from '../model/token-order.ts';

/** Training rows end to end: row i has `lengths[i]` entries of each other array. */
export interface FlatRows {
  readonly lengths: Int32Array;
  readonly tokens: Int32Array;
  readonly lossMask: Uint8Array;
  readonly logprobs: Float32Array;
  readonly advantages: Float32Array;
}

/**
 * Returns the indices of the rows that each thread gets. Rows are sorted by their tokens, so that rows with the same beginning
 * stay together. Every thread gets about the same number of tokens, where a shared beginning counts once.
 */
export function distributeRows(rows: readonly TrainingSample[], threads: number): number[][] {
  const order = rows.map((_, index) => index).sort((a, b) => compareTokens(rows[a]!.tokens, rows[b]!.tokens) || a - b);
  const costs = order.map((index, i) => {
    const { tokens } = rows[index]!;
    return i === 0 ? tokens.length : tokens.length - commonPrefix(tokens, rows[order[i - 1]!]!.tokens);
  });
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const shares = Array.from({ length: threads }, (): number[] => []);
  let before = 0;
  for (const [i, index] of order.entries()) {
    // A row goes to the thread in whose share of the total its middle lies.
    const thread = total === 0 ? 0 : Math.floor(((before + costs[i]! / 2) / total) * threads);
    shares[Math.min(thread, threads - 1)]!.push(index);
    before += costs[i]!;
  }
  return shares;
}

/** Puts the rows end to end. */
export function flattenRows(rows: readonly TrainingSample[]): FlatRows {
  const total = rows.reduce((sum, row) => sum + row.tokens.length, 0);
  const flat: FlatRows = {
    lengths: Int32Array.from(rows, (row) => row.tokens.length),
    tokens: new Int32Array(total),
    lossMask: new Uint8Array(total),
    logprobs: new Float32Array(total),
    advantages: new Float32Array(total),
  };
  let offset = 0;
  for (const row of rows) {
    flat.tokens.set(row.tokens, offset);
    flat.lossMask.set(row.lossMask, offset);
    flat.logprobs.set(row.logprobs, offset);
    flat.advantages.set(row.advantages, offset);
    offset += row.tokens.length;
  }
  return flat;
}
