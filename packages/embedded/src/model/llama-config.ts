/** Defines the size and the weights of a model of the Llama family. */

/** A model of the Llama family: RMSNorm, rotary positions, grouped-query attention, SwiGLU; with the biases of Qwen2 or the norms of Qwen3. All sizes are counts. */
export interface LlamaConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** Key and value heads; divides `heads`. */
  readonly keyValueHeads: number;
  /** Channels of one head; even. */
  readonly headSize: number;
  /** The longest sequence, in tokens. */
  readonly maxPositions: number;
  readonly ropeTheta: number;
  readonly rmsNormEpsilon: number;
  /** True when `lm_head` is the embedding matrix. */
  readonly tieWordEmbeddings: boolean;
  /** True where queries, keys and values have biases, as in Qwen2. @default false */
  readonly attentionBias?: boolean;
  /** True where each query head and key head has a norm before it is rotated, as in Qwen3. @default false */
  readonly queryKeyNorm?: boolean;
}

/** Weights by their Hugging Face parameter names, each row-major in the shape that `parameterShapes` gives. */
export type LlamaWeights = ReadonlyMap<string, Float32Array>;
