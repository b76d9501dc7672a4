/** Defines what callers give to the Llama engine and get from it. */
import type { backendChecks } from '@agent-lightning/core';
import type { KernelChoice } from '../kernels/kernel-binary.ts';
import type { Adaptation } from '../model/adaptation.ts';
import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import type { WeightSource } from '../model/weight-source.ts';

/** The loss of a critic, as core's contract of backends has it. */
export type ValueLoss = Parameters<typeof backendChecks.valueLoss>[0];

/** A frozen copy of the training weights, held by the engine until it is discarded. */
export interface WeightsVersion {
  readonly id: number;
}

/** AdamW's state: first and second moments by the names of what is trained, in the same shapes. */
export interface OptimizerState {
  /** Optimizer steps taken. */
  readonly step: number;
  readonly moments1: Map<string, Float32Array>;
  readonly moments2: Map<string, Float32Array>;
}

export interface LlamaEngineOptions extends Partial<KernelChoice> {
  readonly config: LlamaConfig;
  /** A source is read once, while the engine starts; only a model with adapters takes one. */
  readonly weights: LlamaWeights | WeightSource;
  /** Freezes the model and trains adapters beside it. @default all weights are trained */
  readonly adaptation?: Adaptation;
  /** Worker threads, 1 to 16. */
  readonly threads: number;
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
