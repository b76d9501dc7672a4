import { type LightningBatch, seededRandom } from '@agent-lightning/core';
import type { RunContext } from '../../run-context.ts';
import { onlyPolicyName } from '../policies/policy-options.ts';
import { trainOnBatch, type PolicyPasses } from './train-on-batch.ts';

/** Trains every policy on its own rows of a batch, all at once; ends when all have ended, with the first error if there is one. */
export async function trainPolicies<Task>(
  context: RunContext<Task>,
  batch: LightningBatch,
  step: number,
  beforeUpdate: () => void,
): Promise<readonly PolicyPasses[]> {
  const { options, policies, losses } = context;
  const results = await Promise.allSettled(
    policies.all.map((policy) =>
      trainOnBatch(rowsOf(batch, policy.name), {
        policy,
        algorithm: options.algorithm,
        losses,
        step,
        random: seededRandom(options.seed, dealingOf(step, policy.name)),
        beforeUpdate,
      }),
    ),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

function rowsOf(batch: LightningBatch, policy: string): LightningBatch {
  return { ...batch, rows: batch.rows.filter((row) => row.policy === policy) };
}

/** Names the stream that deals a policy's groups into minibatches. */
function dealingOf(step: number, policy: string): string {
  return policy === onlyPolicyName ? `minibatches/${step}` : `minibatches/${step}/${policy}`;
}
