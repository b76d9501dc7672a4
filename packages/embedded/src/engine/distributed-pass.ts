/** Runs a training pass on the threads of an engine, each with its share of the samples. */
import type { Loss, TrainingSample } from '@agent-lightning/core';
import type { Address } from '../kernels/kernels.ts';
import type { ValueLoss } from './engine-types.ts';
import type { WorkerPool } from '../threads/worker-pool.ts';
import { distributeSamples, flattenSamples } from '../training/flat-samples.ts';
import type { CriticJob, CriticResults, TrainedSamples } from '../training/training-worker.ts';

/** The results of all threads together; `logprobs` by sample. */
export interface TrainedTotal extends Omit<TrainedSamples, 'logprobs' | 'critic'> {
  readonly logprobs: readonly Float32Array[];
  readonly critic?: Omit<CriticResults, 'values'> & { readonly values: readonly Float32Array[] };
}

/** The critic's part of a pass: its head, and its loss where it learns. */
export interface CriticShare {
  readonly head: Float32Array;
  readonly loss?: ValueLoss;
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
  critic?: CriticShare,
): Promise<TrainedTotal> {
  const shares = distributeSamples(samples, threads);
  const jobs = shares.map((share) => ({
    kind: 'train' as const,
    samples: flattenSamples(share.map((index) => samples[index]!)),
    forward,
    budget: workingBytes / threads,
    ...(loss && { loss }),
    ...(critic && { critic: toCriticJob(critic, share) }),
  }));
  const parts = await pool.run<'train'>(jobs);
  const bySample = (listOf: (part: TrainedSamples) => Float32Array): Float32Array[] => {
    const lists: Float32Array[] = Array.from({ length: samples.length });
    for (const [thread, share] of shares.entries()) {
      let offset = 0;
      for (const index of share) {
        const { length } = samples[index]!.tokens;
        lists[index] = listOf(parts[thread]!).slice(offset, offset + length);
        offset += length;
      }
    }
    return lists;
  };
  const sum = (field: 'loss' | 'entropy' | 'trainedTokens'): number =>
    parts.reduce((total, part) => total + part[field], 0);
  return {
    logprobs: bySample((part) => part.logprobs),
    loss: sum('loss'),
    entropy: sum('entropy'),
    trainedTokens: sum('trainedTokens'),
    ...(critic && {
      critic: {
        values: bySample((part) => part.critic!.values),
        loss: parts.reduce((total, part) => total + part.critic!.loss, 0),
        gradient: parts
          .map((part) => part.critic!.gradient)
          .reduce((total, gradient) => total.map((value, index) => value + gradient[index]!)),
      },
    }),
  };
}

function toCriticJob({ head, loss }: CriticShare, share: readonly number[]): CriticJob {
  if (loss === undefined) return { head };
  const { targets, weights, trunkWeight } = loss;
  return { head, loss: { targets: joinLists(targets, share), weights: joinLists(weights, share), trunkWeight } };
}

/** Puts the lists of these indices end to end. */
function joinLists(lists: readonly Float32Array[], indices: readonly number[]): Float32Array {
  const joined = new Float32Array(indices.reduce((sum, index) => sum + lists[index]!.length, 0));
  let offset = 0;
  for (const index of indices) {
    joined.set(lists[index]!, offset);
    offset += lists[index]!.length;
  }
  return joined;
}
