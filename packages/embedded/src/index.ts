// backend
export { type EmbeddedBackend, embedded } from './backend/embedded.ts';
export type { EmbeddedOptions } from './backend/options.ts';

// checkpoint
export { type Checkpoint, loadCheckpoint } from './checkpoint/checkpoint.ts';
export { type CreateCheckpointOptions, type ModelShape, createCheckpoint } from './checkpoint/create-checkpoint.ts';
export { type Tensor, type TensorFile, decodeSafetensors } from './checkpoint/safetensors.ts';

// engine
export { LlamaEngine } from './engine/llama-engine.ts';
export type {
  LlamaEngineOptions,
  OptimizerState,
  SampleRequest,
  SampledPiece,
  WeightsVersion,
} from './engine/engine-types.ts';
export type { LlamaConfig, LlamaWeights } from './model/llama-config.ts';
export { parameterShapes } from './model/parameter-layout.ts';
export type { KernelChoice, KernelKind } from './kernels/kernel-binary.ts';

// making a model
export { trainBytePairTokenizer, type BytePairOptions } from '@agent-lightning/text';
