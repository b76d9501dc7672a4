import { adjustBatch, type LightningBatch } from '@agent-lightning/core';
import type { CriticSettings } from '../critic-options.ts';
import type { TrainedPolicy } from '../policies/policy-set.ts';

/** A batch that is ready to be trained on, and how well the critic knew what it earned. */
export interface ValuedBatch {
  readonly batch: LightningBatch;
  /** Undefined without a critic, and where every token earned the same. */
  readonly explainedVariance?: number;
}

/**
 * Asks the critic of each policy what the states before its tokens are worth, before anything is updated, and gives the batch the
 * advantages that follow. Without a critic the batch has its advantages already.
 */
export async function askCritic(
  batch: LightningBatch,
  policies: readonly TrainedPolicy[],
  critic: CriticSettings | undefined,
): Promise<ValuedBatch> {
  if (critic === undefined || batch.samples.length === 0) return { batch };
  const values = new Map<LightningBatch['samples'][number], Float32Array>();
  await Promise.all(
    policies.map(async ({ name, policy }) => {
      const own = batch.samples.filter((sample) => sample.policy === name);
      const lists = own.length === 0 ? [] : await policy.values!(own);
      own.forEach((sample, index) => values.set(sample, lists[index]!));
    }),
  );
  const valued = adjustBatch.byCritic(
    batch,
    batch.samples.map((sample) => values.get(sample)!),
    critic,
  );
  return {
    batch: valued.batch,
    ...(valued.explainedVariance === undefined ? {} : { explainedVariance: valued.explainedVariance }),
  };
}
