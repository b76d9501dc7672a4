/**
 * Packs training rows into chunks. Rows with the same beginning, such as the samples of one prompt, share it: a chunk is a
 * forest of tokens, each computed once, and a token attends to the path from its root.
 */
import { commonPrefix } from '../model/token-order.ts';
import type { FlatRows } from './flat-rows.ts';

/** Tokens that one pass takes at once, unless one row is longer: enough to fill the register tiles, few enough for the cache. */
const chunkTokens = 384;

/** Tokens of a chunk that follow each other and have no other successors but at the end. */
export interface Segment {
  /** Index of its first token in the chunk. */
  readonly start: number;
  readonly length: number;
  /** Position of its first token in its row. */
  readonly position: number;
  /** The segments from the root to this one. */
  readonly path: readonly Segment[];
}

/** M tokens, of which U predict something, S times in all: rows that differ after a token predict different tokens from it. */
export interface Chunk {
  /** A segment comes after those on its path. */
  readonly segments: readonly Segment[];
  /** Shape (M,). */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** Shape (U,): indices of the tokens that predict a trained one, ascending. */
  readonly predicting: Int32Array;
  /** Shape (S,): which of those predicts, what it predicts, and the prediction's entry in the flat rows. */
  readonly predictors: Int32Array;
  readonly targets: Int32Array;
  readonly entries: Int32Array;
}

/**
 * Cuts rows, sorted by `compareTokens`, into chunks. A row ends at its last trained token, because later tokens change nothing;
 * a row without any is left out.
 */
export function* chunksOf(rows: FlatRows): Generator<Chunk> {
  let builder = new ChunkBuilder(rows);
  let offset = 0;
  for (const length of rows.lengths) {
    const inputs = rows.lossMask.subarray(offset, offset + length).lastIndexOf(1);
    if (inputs > 0) {
      if (builder.size > 0 && builder.size + builder.costOf(offset, inputs) > chunkTokens) {
        yield builder.build();
        builder = new ChunkBuilder(rows);
      }
      builder.add(offset, inputs);
    }
    offset += length;
  }
  if (builder.size > 0) yield builder.build();
}

class ChunkBuilder {
  readonly #rows: FlatRows;
  readonly #ids: number[] = [];
  readonly #positions: number[] = [];
  /** The index of the token before, in its row, for each token; −1 at a root. */
  readonly #previous: number[] = [];
  /** The token that makes each prediction, and the prediction's entry. */
  readonly #predictions: { readonly token: number; readonly entry: number }[] = [];
  /** The row added last, and the index of each of its tokens. */
  #last: Int32Array = new Int32Array();
  #lastIndices: number[] = [];

  constructor(rows: FlatRows) {
    this.#rows = rows;
  }

  get size(): number {
    return this.#ids.length;
  }

  /** Returns the number of tokens that the row would add. */
  costOf(offset: number, inputs: number): number {
    return inputs - commonPrefix(this.#last, this.#rows.tokens.subarray(offset, offset + inputs));
  }

  add(offset: number, inputs: number): void {
    const tokens = this.#rows.tokens.subarray(offset, offset + inputs);
    const indices = this.#lastIndices.slice(0, inputs - this.costOf(offset, inputs));
    for (let t = indices.length; t < inputs; t++) {
      this.#previous.push(t === 0 ? -1 : indices[t - 1]!);
      indices.push(this.#ids.push(tokens[t]!) - 1);
      this.#positions.push(t);
    }
    for (let t = 1; t <= inputs; t++) {
      if (this.#rows.lossMask[offset + t] === 1) this.#predictions.push({ token: indices[t - 1]!, entry: offset + t });
    }
    this.#last = tokens;
    this.#lastIndices = indices;
  }

  build(): Chunk {
    const predicting = Int32Array.from(new Set(this.#predictions.map(({ token }) => token))).sort();
    const place = new Map([...predicting].map((token, index) => [token, index]));
    return {
      segments: this.#segments(),
      ids: Int32Array.from(this.#ids),
      positions: Int32Array.from(this.#positions),
      predicting,
      predictors: Int32Array.from(this.#predictions, ({ token }) => place.get(token)!),
      targets: Int32Array.from(this.#predictions, ({ entry }) => this.#rows.tokens[entry]!),
      entries: Int32Array.from(this.#predictions, ({ entry }) => entry),
    };
  }

  /** Cuts the tokens into segments: one begins at a root, after a fork, and where its predecessor is not the token before it in the chunk. */
  #segments(): Segment[] {
    const successors = new Int32Array(this.size);
    for (const previous of this.#previous) if (previous >= 0) successors[previous]!++;
    const starts = this.#previous.flatMap((previous, i) =>
      previous !== i - 1 || i === 0 || successors[i - 1]! > 1 ? [i] : [],
    );
    const segments: Segment[] = [];
    const segmentOf: Segment[] = [];
    for (const [i, start] of starts.entries()) {
      const length = (starts[i + 1] ?? this.size) - start;
      const parent = segmentOf[this.#previous[start]!];
      const path: Segment[] = parent ? [...parent.path] : [];
      const segment: Segment = { start, length, position: this.#positions[start]!, path };
      path.push(segment);
      segments.push(segment);
      for (let token = start; token < start + length; token++) segmentOf.push(segment);
    }
    return segments;
  }
}
