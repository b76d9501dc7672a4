// training
export { Trainer } from './trainer.ts';
export type { TrainerHooks, TrainerOptions, TrainingGateway } from './trainer-options.ts';
export type { PolicyOptions } from './policies/policy-options.ts';
export type { FitOptions } from './fit-options.ts';
export type { DevOptions, DevReport } from './dev.ts';
export type { StopReason, TrainingResult } from './training-result.ts';

// algorithms
export { grpo, type Grpo, type GrpoOptions } from './grpo.ts';
export type { GrpoLoss, GrpoLossOptions } from './grpo-loss.ts';

// what a run shows
export type { Logger } from './progress/logger.ts';
export type { ProgressMode } from './progress/progress.ts';
export type {
  CurvePoint,
  IdleShare,
  OffPolicyMetrics,
  PhaseSeconds,
  PolicyMetrics,
  RewardSummary,
  StalenessMetrics,
  StepMetrics,
  TrainedMetrics,
  ValidationMetrics,
} from './metrics.ts';

// where policies train
export { gpu } from './worker/gpu.ts';
export type { GpuOptions } from './worker/gpu-options.ts';
export type { VllmAttachOptions, VllmOptions, VllmSharedOptions, VllmStartOptions } from './vllm/vllm-options.ts';
export { tinker } from './tinker/tinker.ts';
export type { TinkerOptions } from './tinker/tinker-options.ts';
export type { AdamField, DialectName } from './tinker/dialects.ts';
export type { LoraOptions } from './tinker/lora-options.ts';
