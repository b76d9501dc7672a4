/** Defines the size and the weights of a Llama model. */

/** A Llama-architecture model: RMSNorm, rotary positions, grouped-query attention, SwiGLU, no biases. All sizes are counts. */
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
}

/** Weights by their Hugging Face parameter names, each row-major in the shape that `parameterShapes` gives. */
export type LlamaWeights = ReadonlyMap<string, Float32Array>;
