/** Training rows, dealt to threads. */
import type { TrainingRow } from '@agent-lightning/core';
import { commonPrefix, compareTokens } from './token-tree.ts';
import type { FlatRows } from '../threads/worker-protocol.ts';

/**
 * Deals rows to threads, in the order of their tokens so that rows that begin alike stay together: row indices by thread.
 * The threads' tokens, counting a shared beginning once, come out about equal.
 */
export function dealRows(rows: readonly TrainingRow[], threads: number): number[][] {
  const order = rows.map((_, index) => index).sort((a, b) => compareTokens(rows[a]!.tokens, rows[b]!.tokens) || a - b);
  const costs = order.map((index, i) => {
    const { tokens } = rows[index]!;
    return i === 0 ? tokens.length : tokens.length - commonPrefix(tokens, rows[order[i - 1]!]!.tokens);
  });
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  const hands = Array.from({ length: threads }, (): number[] => []);
  let before = 0;
  for (const [i, index] of order.entries()) {
    // A row goes to the thread in whose share of the total its middle lies.
    const share = total === 0 ? 0 : Math.floor(((before + costs[i]! / 2) / total) * threads);
    hands[Math.min(share, threads - 1)]!.push(index);
    before += costs[i]!;
  }
  return hands;
}

export function flattenRows(rows: readonly TrainingRow[]): FlatRows {
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
