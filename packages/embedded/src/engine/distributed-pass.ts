/** Runs a training pass on the threads of an engine, each with its share of the samples. */
import type { Loss, TrainingSample } from '@agent-lightning/core';
import type { Address } from '../kernels/kernels.ts';
import type { WorkerPool } from '../threads/worker-pool.ts';
import { distributeSamples, flattenSamples } from '../training/flat-samples.ts';
import type { TrainedSamples } from '../training/training-worker.ts';

/** The results of all threads together; `logprobs` by sample. */
export interface TrainedTotal extends Omit<TrainedSamples, 'logprobs'> {
  readonly logprobs: readonly Float32Array[];
}

/** Says how many threads take part, and which memory they can have together, in bytes. */
export interface PassShare {
  readonly threads: number;
  readonly workingBytes: number;
}

/** Computes the samples' log-probabilities under the weights at `forward`; with a loss, its gradient is added to the threads' gradients. */
export async function runPass(
  pool: WorkerPool,
  samples: readonly TrainingSample[],
  forward: Address,
  loss: Loss | undefined,
  { threads, workingBytes }: PassShare,
): Promise<TrainedTotal> {
  const shares = distributeSamples(samples, threads);
  const jobs = shares.map((share) => ({
    kind: 'train' as const,
    samples: flattenSamples(share.map((index) => samples[index]!)),
    forward,
    budget: workingBytes / threads,
    ...(loss && { loss }),
  }));
  const parts = await pool.run<'train'>(jobs);
  const logprobs: Float32Array[] = Array.from({ length: samples.length });
  for (const [thread, share] of shares.entries()) {
    let offset = 0;
    for (const index of share) {
      const length = samples[index]!.tokens.length;
      logprobs[index] = parts[thread]!.logprobs.slice(offset, offset + length);
      offset += length;
    }
  }
  const sum = (field: 'loss' | 'entropy' | 'trainedTokens'): number =>
    parts.reduce((total, part) => total + part[field], 0);
  return { logprobs, loss: sum('loss'), entropy: sum('entropy'), trainedTokens: sum('trainedTokens') };
}
