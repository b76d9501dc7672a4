import {
  penalizeDivergence,
  splitMinibatches,
  type AdamParameters,
  type LightningBatch,
  type Loss,
} from '@agent-lightning/core';
import { objectiveOf } from '../grpo-loss.ts';
import type { GrpoSettings } from '../grpo-options.ts';
import type { TrainedPolicy } from '../policies/policy-set.ts';
import { finishPass, submitPass, type Pass, type SubmittedPass } from './submit-pass.ts';

/** The result of training one policy on one batch: a pass for each optimizer step. */
export interface PolicyPasses {
  readonly name: string;
  readonly passes: readonly Pass[];
  readonly learningRate: number;
  /** KL(policy ‖ base model) in nats, by k1; with a KL coefficient only. */
  readonly klBase?: number;
}

export interface TrainOnBatchOptions {
  readonly policy: TrainedPolicy;
  readonly settings: GrpoSettings;
  /** The losses that the backend builds in. */
  readonly losses: readonly Loss['name'][];
  /** The number of the step, from 1; for warm-up. */
  readonly step: number;
  /** Returns uniform numbers in [0, 1), by which groups are dealt into minibatches. */
  readonly random: () => number;
  /** Called before anything that changes the weights is asked for. */
  readonly beforeUpdate: () => void;
}

/**
 * Takes one optimizer step of one policy for each minibatch of its batch. All calls are made before the first result is awaited, so
 * that the backend never waits for this process; numbers are checked when the results come.
 * @throws {LightningError} `numerics` when loss or gradient is not a finite number: the weights are then beyond the last good
 * step, and the caller restores them
 */
export async function trainOnBatch(batch: LightningBatch, options: TrainOnBatchOptions): Promise<PolicyPasses> {
  const { policy, settings, losses, step } = options;
  const adam = warmedUp(options);
  const { klBase, samples } = await pullToBase(batch, options);
  const minibatches = splitMinibatches({ ...batch, samples }, settings.minibatches, options.random);
  const objective = objectiveOf(settings);
  if (minibatches.length > 0) options.beforeUpdate();
  const submitted: SubmittedPass[] = [];
  try {
    for (const minibatch of minibatches)
      submitted.push(
        await submitPass(minibatch.samples, {
          policy: policy.policy,
          objective,
          losses,
          adam,
          critic: settings.critic,
        }),
      );
  } finally {
    await Promise.all(submitted.map(({ settled }) => settled)); // whatever comes, nothing is left running
  }
  const passes: Pass[] = [];
  for (const pass of submitted) passes.push(await finishPass(pass, step));
  return {
    name: policy.name,
    passes,
    learningRate: adam.learningRate,
    ...(klBase === undefined ? {} : { klBase }),
  };
}

/** Adds the KL to the base model to the samples, when the algorithm has one. */
async function pullToBase(
  batch: LightningBatch,
  { settings, policy }: TrainOnBatchOptions,
): Promise<{ readonly samples: LightningBatch['samples']; readonly klBase?: number }> {
  const { klCoefficient, klPlacement } = settings;
  if (klCoefficient === 0 || batch.samples.length === 0) return { samples: batch.samples };
  const reference = await policy.policy.forwardBase(batch.samples);
  const inAdvantage = klPlacement === 'advantage' ? klCoefficient : 0;
  const { samples, meanDivergence } = penalizeDivergence(batch.samples, reference, inAdvantage);
  return {
    klBase: meanDivergence,
    samples:
      klPlacement === 'advantage'
        ? samples
        : samples.map((sample, index) => ({ ...sample, referenceLogprobs: reference[index]! })),
  };
}

/** Returns the optimizer parameters of a step. Warm-up is linear: the learning rate reaches its value at step `warmupSteps` + 1. */
function warmedUp({ policy, settings, step }: TrainOnBatchOptions): AdamParameters & { readonly learningRate: number } {
  const { adam, warmupSteps } = settings;
  return { ...adam, learningRate: policy.learningRate * Math.min(1, step / (warmupSteps + 1)) };
}
