/** Training rows at the door: checked, then dealt to threads. */
import { BackendError, type TrainingRow } from '@agent-lightning/core';
import type { LlamaConfig } from './llama-types.ts';
import { commonPrefix, compareTokens } from './token-tree.ts';
import type { FlatRows } from './worker-protocol.ts';

/** @throws BackendError `rows-invalid` naming the row, the field and the value */
export function checkRows(rows: readonly TrainingRow[], config: LlamaConfig): void {
  if (rows.length === 0)
    throw new BackendError('A training batch needs at least one row; it has none.', { code: 'rows-invalid' });
  for (const [i, row] of rows.entries()) checkRow(row, i, config);
}

function checkRow(row: TrainingRow, index: number, config: LlamaConfig): void {
  const fail = (what: string): never => {
    throw new BackendError(`Row ${index}: ${what}.`, { code: 'rows-invalid' });
  };
  const length = row.tokens.length;
  if (length < 2) fail(`tokens has ${length} entries; a row needs at least 2`);
  if (length > config.maxPositions + 1)
    fail(
      `tokens has ${length} entries; this model takes at most ${config.maxPositions + 1}. Cut the row or use a model with more positions`,
    );
  for (const field of ['lossMask', 'logprobs', 'advantages'] as const) {
    if (row[field].length !== length)
      fail(`${field} has ${row[field].length} entries, tokens has ${length}; they must be aligned`);
  }
  if (row.lossMask[0] !== 0)
    fail(`lossMask[0] is ${row.lossMask[0]}; nothing predicts the first token, so it must be 0`);
  for (let t = 0; t < length; t++) {
    const token = row.tokens[t]!;
    if (!(token >= 0 && token < config.vocabSize))
      fail(`tokens[${t}] is ${token}; ids of this model are 0 to ${config.vocabSize - 1}`);
    const mask = row.lossMask[t]!;
    if (mask > 1) fail(`lossMask[${t}] is ${mask}; it must be 0 or 1`);
    if (!Number.isFinite(row.logprobs[t])) fail(`logprobs[${t}] is ${row.logprobs[t]}; it must be finite`);
    if (!Number.isFinite(row.advantages[t])) fail(`advantages[${t}] is ${row.advantages[t]}; it must be finite`);
  }
}

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
