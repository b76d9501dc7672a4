/** Looks up the embeddings of tokens, in a trained table or in a frozen matrix. */
import type { Address } from '../kernels/kernels.ts';
import type { Model } from './layer-forward.ts';

/** Copies the embeddings of `ids` (rows,), int32, into `out` (rows, hidden), with the trained weights at `forward`. */
export function embedTokens(model: Model, forward: Address, rows: number, ids: Address, out: Address): void {
  const { kernels, config, layout, widths, map } = model;
  const { embedding } = layout;
  if (embedding.kind === 'frozen-matrix') {
    const isHalf = layout.frozen!.type === 'bfloat16';
    kernels.gatherFrozenRows(rows, embedding.columns, ids, map.frozen + embedding.at, isHalf, out, widths.hidden);
  } else {
    const table = forward + embedding.forward * 4;
    kernels.gatherRows(rows, config.hiddenSize, ids, table, embedding.columns, out, widths.hidden);
  }
}
