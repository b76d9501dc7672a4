/** Defines the work that a worker's sampler gets, and the tokens that it sends back. */
import type { Address } from '../kernels/kernels.ts';

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

/** Some tokens of one choice; the last piece of a choice carries `finish`. */
export interface JobPiece {
  readonly sample: number;
  readonly choice: number;
  readonly tokens: Int32Array;
  readonly logprobs: Float32Array;
  readonly finish?: 'stop' | 'length';
}
