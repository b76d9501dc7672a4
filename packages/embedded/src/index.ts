// training in this process
export { embedded, type EmbeddedBackend } from './backend/embedded.ts';
export type { EmbeddedOptions } from './backend/options.ts';

// models that start from nothing
export { createCheckpoint, type CreateCheckpointOptions, type ModelShape } from './checkpoint/create-checkpoint.ts';
export { trainBytePairTokenizer, type BytePairOptions } from '@agent-lightning/text';

// checkpoints, for tools that work on model directories themselves
export { loadCheckpoint, type Checkpoint } from './checkpoint/checkpoint.ts';
export { decodeSafetensors, encodeSafetensors, type Tensor, type TensorFile } from './checkpoint/safetensors.ts';

// the engine alone, for benchmarks and other trainers
export { LlamaEngine, parameterShapes } from './model/llama-engine.ts';
export type {
  LlamaConfig,
  LlamaEngineOptions,
  LlamaWeights,
  OptimizerState,
  SampledPiece,
  SampleRequest,
  WeightsVersion,
} from './model/llama-types.ts';
