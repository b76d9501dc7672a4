import { seededRandom } from '@agent-lightning/core';
import { onlyPolicyName } from '@agent-lightning/run';
import type { TrainedPolicy } from '../policies/policy-set.ts';
import type { StepSizing } from './step-size.ts';
import { trainOnBatch, type PolicyPasses, type TrainOnBatchOptions, type UpdateBatch } from './train-on-batch.ts';

/** Options for training the policies of a run on a batch. */
export interface TrainPoliciesOptions extends Omit<TrainOnBatchOptions, 'policy' | 'random' | 'sizing'> {
  readonly seed: number;
  /** The sizes of the updates so far, by policy; of each policy whose learning rate is 'auto'. */
  readonly sizing: Readonly<Record<string, StepSizing>>;
}

/** Trains every policy on its own samples of a batch, all at once; ends when all have ended, with the first error if there is one. */
export async function trainPolicies(
  policies: readonly TrainedPolicy[],
  batch: UpdateBatch,
  { seed, sizing, ...options }: TrainPoliciesOptions,
): Promise<readonly PolicyPasses[]> {
  const results = await Promise.allSettled(
    policies.map((policy) =>
      trainOnBatch(selectSamples(batch, policy.name), {
        ...options,
        policy,
        sizing: sizing[policy.name],
        random: seededRandom(seed, nameDealing(options.step, policy.name)),
      }),
    ),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function selectSamples(batch: UpdateBatch, policy: string): UpdateBatch {
  return { ...batch, samples: batch.samples.filter((sample) => sample.policy === policy) };
}

/** Names the stream that deals a policy's groups into minibatches. */
function nameDealing(step: number, policy: string): string {
  return policy === onlyPolicyName ? `minibatches/${step}` : `minibatches/${step}/${policy}`;
}
