/** What the engine and its workers tell each other. */
import type { Loss } from '@agent-lightning/core';
import type { EngineMap } from '../model/engine-memory.ts';
import type { Address } from '../kernels/kernels.ts';
import type { LlamaConfig } from '../model/llama-types.ts';
import type { WasmMemory, WasmModule } from '../kernels/web-assembly.ts';

/** Given to a worker at its birth. */
export interface WorkerStart {
  readonly config: LlamaConfig;
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  readonly map: EngineMap;
  readonly thread: number;
  readonly threads: number;
}

/** Training rows end to end: row i has `lengths[i]` entries of each other array. */
export interface FlatRows {
  readonly lengths: Int32Array;
  readonly tokens: Int32Array;
  readonly lossMask: Uint8Array;
  readonly logprobs: Float32Array;
  readonly advantages: Float32Array;
}

/** AdamW's numbers for one step, as the kernel takes them. */
export interface AdamNumbers {
  readonly gradientScale: number;
  readonly decay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly stepSize: number;
  readonly rootCorrection: number;
  readonly epsilon: number;
}

/** A job with an answer. */
export type Job =
  /** Log-probabilities under the weights at `forward`; with a loss, also its gradient, added to this thread's. */
  | { readonly kind: 'train'; readonly rows: FlatRows; readonly forward: Address; readonly loss?: Loss }
  /** Sums all threads' gradients into the first for this thread's blocks. */
  | { readonly kind: 'reduce' }
  /** Updates this thread's blocks and clears their gradients. */
  | { readonly kind: 'step'; readonly numbers: AdamNumbers }
  /** Clears all threads' gradients for this thread's blocks. */
  | { readonly kind: 'clear' }
  /** Arranges this thread's blocks for the forward and backward passes, after new weights were written. */
  | { readonly kind: 'pack' };

export interface JobResults {
  /** `logprobs` as `rows.tokens`, the rest summed over trained tokens. */
  readonly train: {
    readonly logprobs: Float32Array;
    readonly loss: number;
    readonly entropy: number;
    readonly trainedTokens: number;
  };
  /** Σ g² by index of the block. */
  readonly reduce: { readonly squares: ReadonlyMap<number, number> };
  readonly step: Record<string, never>;
  readonly clear: Record<string, never>;
  readonly pack: Record<string, never>;
}

/** Some choices of one request, to be sampled by one worker. */
export interface SampleJob {
  readonly kind: 'sample';
  readonly sample: number;
  /** Names the weights at `forward`: caches of one version serve no other. */
  readonly version: number;
  readonly forward: Address;
  readonly prompt: Int32Array;
  readonly choices: readonly number[];
  readonly temperature: number;
  readonly maxTokens: number;
  readonly stopTokens: readonly number[];
  readonly seed: number;
}

export type ToWorker =
  | { readonly kind: 'job'; readonly id: number; readonly job: Job }
  | SampleJob
  | { readonly kind: 'abort'; readonly sample: number }
  /** The version's memory is about to be reused. */
  | { readonly kind: 'forget'; readonly version: number };

export interface WirePiece {
  readonly sample: number;
  readonly choice: number;
  readonly tokens: Int32Array;
  readonly logprobs: Float32Array;
  readonly finish?: 'stop' | 'length';
}

export interface Failure {
  readonly code: 'backend-failed' | 'numerics';
  readonly message: string;
}

export type FromWorker =
  | { readonly kind: 'done'; readonly id: number; readonly result: JobResults[Job['kind']] }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: Failure }
  | { readonly kind: 'pieces'; readonly pieces: readonly WirePiece[] }
  | { readonly kind: 'sample-failed'; readonly sample: number; readonly failure: Failure };
