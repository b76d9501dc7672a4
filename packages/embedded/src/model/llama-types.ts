/** The shapes and values that cross the boundary of the Llama engine. */

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
  /** Whether `lm_head` is the embedding matrix. */
  readonly tieWordEmbeddings: boolean;
}

/** Weights by their Hugging Face parameter names, each row-major in the shape that `parameterShapes` gives. */
export type LlamaWeights = ReadonlyMap<string, Float32Array>;

/** A frozen copy of the training weights, held by the engine until it is discarded. */
export interface WeightsVersion {
  readonly id: number;
}

/** AdamW's state: first and second moments by parameter name, shapes as the weights. */
export interface OptimizerState {
  /** Optimizer steps taken. */
  readonly step: number;
  readonly moments1: Map<string, Float32Array>;
  readonly moments2: Map<string, Float32Array>;
}

export interface LlamaEngineOptions {
  readonly config: LlamaConfig;
  readonly weights: LlamaWeights;
  /** Worker threads, 1 to 16. */
  readonly threads: number;
  /** Which kernels: plain 128-bit SIMD, with fused multiply-add, or that in 256-bit registers; 'auto' takes the fastest. @default 'auto' */
  readonly simd?: 'auto' | 'wide' | 'relaxed' | 'plain';
}

export interface SampleRequest {
  readonly weights: WeightsVersion;
  /** Shape (P,), P ≥ 1: token ids. */
  readonly prompt: Int32Array;
  /** Independent continuations of the one prompt. */
  readonly choices: number;
  /** 0 is greedy. */
  readonly temperature: number;
  readonly maxTokens: number;
  /** A choice ends after sampling one of these; it is the last of its tokens. */
  readonly stopTokens: readonly number[];
  /** The same seed, weights and request give the same tokens, whatever else runs beside it. */
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Some tokens of one choice, in order. The last piece of a choice carries `finish`. */
export interface SampledPiece {
  readonly choice: number;
  /** Shape (n,): token ids. */
  readonly tokens: Int32Array;
  /** Shape (n,), nats, of the distribution that was sampled from; of the temperature-1 distribution when greedy. */
  readonly logprobs: Float32Array;
  readonly finish?: 'stop' | 'length';
}
