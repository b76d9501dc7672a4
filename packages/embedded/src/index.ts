// backend
export { type EmbeddedBackend, embedded } from './backend/embedded.ts';
export type { EmbeddedTrainablePolicy } from './backend/embedded-policy.ts';
export type { LoraOptions } from './backend/lora-options.ts';
export type { EmbeddedOptions } from './backend/options.ts';

// checkpoint
export { type Checkpoint, type OpenCheckpoint, loadCheckpoint, openCheckpoint } from './checkpoint/checkpoint.ts';
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
export type { Adaptation } from './model/adaptation.ts';
export type { WeightSource } from './model/weight-source.ts';
export { parameterShapes, type Shapes } from './model/parameter-shapes.ts';
export type { KernelChoice, KernelKind } from './kernels/kernel-binary.ts';

// making a model
export { trainBytePairTokenizer, type BytePairOptions } from '@agent-lightning/text';
