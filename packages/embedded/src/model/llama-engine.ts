import type { AdamParameters, ForwardBackwardResult, Loss, OptimStepResult, TrainingRow } from '@agent-lightning/core';
import type { LlamaConfig, LlamaEngineOptions, LlamaWeights, OptimizerState, SampledPiece, SampleRequest, WeightsVersion } from './llama-types.ts';

/** The shape of every parameter, by Hugging Face name, in the order in which checkpoints list them. */
export function parameterShapes(config: LlamaConfig): ReadonlyMap<string, readonly [number, number] | readonly [number]> {
  throw new Error(`not yet: ${config.layers}`);
}

/** A Llama model that samples and trains on worker threads of this process. */
export declare class LlamaEngine {
  static create(options: LlamaEngineOptions): Promise<LlamaEngine>;
  readonly config: LlamaConfig;
  forward(rows: readonly TrainingRow[], weights?: WeightsVersion): Promise<readonly Float32Array[]>;
  forwardBackward(rows: readonly TrainingRow[], loss: Loss): Promise<ForwardBackwardResult>;
  optimStep(adam: AdamParameters): Promise<OptimStepResult>;
  snapshot(): WeightsVersion;
  discard(version: WeightsVersion): void;
  exportWeights(): Map<string, Float32Array>;
  loadWeights(weights: LlamaWeights): void;
  exportOptimizer(): OptimizerState;
  loadOptimizer(state: OptimizerState): void;
  sample(request: SampleRequest): AsyncIterable<SampledPiece>;
  close(): Promise<void>;
}
