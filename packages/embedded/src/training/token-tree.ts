/**
 * Packs training samples into chunks. Samples with the same beginning, such as those of one prompt, share its computation: a chunk is a
 * forest of tokens, each computed once, and a token attends to the path from its root.
 */
import { commonPrefix } from '../model/token-order.ts';
import type { FlatSamples } from './flat-samples.ts';

/** Tokens that one pass takes at once, unless one sample is longer: enough to fill the register tiles, few enough for the cache. */
export const chunkTokens = 384;

/** Tokens of a chunk that follow each other and have no other successors but at the end. */
export interface Segment {
  /** Index of its first token in the chunk. */
  readonly start: number;
  readonly length: number;
  /** Position of its first token in its sample. */
  readonly position: number;
  /** The segments from the root to this one. */
  readonly path: readonly Segment[];
}

/** M tokens, of which U predict something, S times in all: samples that differ after a token predict different tokens from it. */
export interface Chunk {
  /** A segment comes after those on its path. */
  readonly segments: readonly Segment[];
  /** Shape (M,). */
  readonly ids: Int32Array;
  readonly positions: Int32Array;
  /** Shape (U,): indices of the tokens that predict a trained one, ascending. */
  readonly predicting: Int32Array;
  /** Shape (S,): which of those predicts, what it predicts, and the prediction's entry in the flat samples. */
  readonly predictors: Int32Array;
  readonly targets: Int32Array;
  readonly entries: Int32Array;
  /** Shape (S,): the temperature of each prediction's distribution; absent where all are 1. */
  readonly temperatures?: Float32Array;
}

/**
 * Cuts samples, sorted by `compareTokens`, into chunks. A sample ends at its last trained token, because later tokens change nothing;
 * a sample without any is left out.
 */
export function* chunksOf(samples: FlatSamples): Generator<Chunk> {
  let builder = new ChunkBuilder(samples);
  let offset = 0;
  for (const length of samples.lengths) {
    const inputs = samples.lossMask.subarray(offset, offset + length).lastIndexOf(1);
    if (inputs > 0) {
      if (builder.size > 0 && builder.size + builder.costOf(offset, inputs) > chunkTokens) {
        yield builder.build();
        builder = new ChunkBuilder(samples);
      }
      builder.add(offset, inputs);
    }
    offset += length;
  }
  if (builder.size > 0) yield builder.build();
}

class ChunkBuilder {
  readonly #samples: FlatSamples;
  readonly #ids: number[] = [];
  readonly #positions: number[] = [];
  /** The index of the token before, in its sample, for each token; −1 at a root. */
  readonly #previous: number[] = [];
  /** The token that makes each prediction, and the prediction's entry. */
  readonly #predictions: { readonly token: number; readonly entry: number }[] = [];
  /** The sample added last, and the index of each of its tokens. */
  #last: Int32Array = new Int32Array();
  #lastIndices: number[] = [];

  constructor(samples: FlatSamples) {
    this.#samples = samples;
  }

  get size(): number {
    return this.#ids.length;
  }

  /** Returns the number of tokens that the sample would add. */
  costOf(offset: number, inputs: number): number {
    return inputs - commonPrefix(this.#last, this.#samples.tokens.subarray(offset, offset + inputs));
  }

  add(offset: number, inputs: number): void {
    const tokens = this.#samples.tokens.subarray(offset, offset + inputs);
    const indices = this.#lastIndices.slice(0, inputs - this.costOf(offset, inputs));
    for (let t = indices.length; t < inputs; t++) {
      this.#previous.push(t === 0 ? -1 : indices[t - 1]!);
      indices.push(this.#ids.push(tokens[t]!) - 1);
      this.#positions.push(t);
    }
    for (let t = 1; t <= inputs; t++) {
      if (this.#samples.lossMask[offset + t] === 1)
        this.#predictions.push({ token: indices[t - 1]!, entry: offset + t });
    }
    this.#last = tokens;
    this.#lastIndices = indices;
  }

  build(): Chunk {
    const predicting = Int32Array.from(new Set(this.#predictions.map(({ token }) => token))).sort();
    const place = new Map([...predicting].map((token, index) => [token, index]));
    const { tokens, temperatures } = this.#samples;
    return {
      segments: this.#segments(),
      ids: Int32Array.from(this.#ids),
      positions: Int32Array.from(this.#positions),
      predicting,
      predictors: Int32Array.from(this.#predictions, ({ token }) => place.get(token)!),
      targets: Int32Array.from(this.#predictions, ({ entry }) => tokens[entry]!),
      entries: Int32Array.from(this.#predictions, ({ entry }) => entry),
      ...(temperatures && { temperatures: Float32Array.from(this.#predictions, ({ entry }) => temperatures[entry]!) }),
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
