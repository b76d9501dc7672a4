// backend
export { type EmbeddedBackend, embedded } from './backend/embedded.ts';
export type { EmbeddedOptions } from './backend/options.ts';

// checkpoint
export { type Checkpoint, loadCheckpoint } from './checkpoint/checkpoint.ts';
export { type CreateCheckpointOptions, type ModelShape, createCheckpoint } from './checkpoint/create-checkpoint.ts';
export { type Tensor, type TensorFile, decodeSafetensors, encodeSafetensors } from './checkpoint/safetensors.ts';

// model
export { LlamaEngine, parameterShapes } from './model/llama-engine.ts';
export type {
  LlamaConfig,
  LlamaEngineOptions,
  LlamaWeights,
  OptimizerState,
  SampleRequest,
  SampledPiece,
  WeightsVersion,
} from './model/llama-types.ts';
export { trainBytePairTokenizer, type BytePairOptions } from '@agent-lightning/text';
