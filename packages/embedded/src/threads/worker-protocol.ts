/** Defines the messages between the engine and its workers. */
import type { Failure } from '../kernels/engine-fault.ts';
import type { WasmMemory, WasmModule } from '../kernels/web-assembly.ts';
import type { Adaptation } from '../model/adaptation.ts';
import type { LlamaConfig } from '../model/llama-config.ts';
import type { ModelMap } from '../model/model-memory.ts';
import type { JobPiece, SampleJob } from '../sampling/sample-job.ts';
import type { AdamNumbers, ReducedGradient, TrainedSamples, TrainJob } from '../training/training-worker.ts';

/** The data that a worker starts with. */
export interface WorkerStart {
  readonly config: LlamaConfig;
  /** Undefined where all weights are trained. */
  readonly adaptation: Adaptation | undefined;
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  readonly map: ModelMap;
  readonly thread: number;
  readonly threads: number;
}

/** A job with an answer. */
export type Job =
  | TrainJob
  /** Sums all threads' gradients into the first for this thread's blocks. */
  | { readonly kind: 'reduce' }
  /** Updates this thread's blocks and clears their gradients. */
  | { readonly kind: 'step'; readonly numbers: AdamNumbers }
  /** Clears all threads' gradients for this thread's blocks. */
  | { readonly kind: 'clear' }
  /** Arranges this thread's blocks for the forward and backward passes, after new weights were written. */
  | { readonly kind: 'pack' };

export interface JobResults {
  readonly train: TrainedSamples;
  readonly reduce: ReducedGradient;
  readonly step: Record<string, never>;
  readonly clear: Record<string, never>;
  readonly pack: Record<string, never>;
}

export type ToWorker =
  | { readonly kind: 'job'; readonly id: number; readonly job: Job }
  | SampleJob
  | { readonly kind: 'abort'; readonly sample: number }
  /** The version's memory is about to be reused. */
  | { readonly kind: 'forget'; readonly version: number };

export type FromWorker =
  | { readonly kind: 'done'; readonly id: number; readonly result: JobResults[Job['kind']] }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: Failure }
  | { readonly kind: 'pieces'; readonly pieces: readonly JobPiece[] }
  | { readonly kind: 'sample-failed'; readonly sample: number; readonly failure: Failure };
