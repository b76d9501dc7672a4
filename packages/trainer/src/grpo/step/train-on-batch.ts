import { adjustBatch, type LightningBatch } from '@agent-lightning/core';
import { objectiveOf, type GrpoLoss } from '../grpo-loss.ts';
import type { GrpoSettings } from '../grpo-options.ts';
import type { LearningRateSettings } from '../learning-rate.ts';
import type { TrainedPolicy } from '../policies/policy-set.ts';
import { takeFixedPasses, type FirstLogprobs, type PassesOptions } from './fixed-passes.ts';
import { takeSizedPasses, type SizedPassesOptions, type SizedUpdate } from './sized-passes.ts';
import { initialSizing, type StepSizing } from './step-size.ts';
import type { Pass } from './submit-pass.ts';

/** The result of training one policy on one batch: a pass for each optimizer step. */
export interface PolicyPasses {
  readonly name: string;
  readonly passes: readonly Pass[];
  readonly firstLogprobs: FirstLogprobs;
  /** The rate of the last of them. */
  readonly learningRate: number;
  /** Passes over the whole batch. */
  readonly passesOverBatch: number;
  /** KL(policy ‖ base model) in nats, by k1; with a KL coefficient only. */
  readonly klBase?: number;
  /** The sizes of the update; for the learning rate 'auto' only. */
  readonly sized?: SizedUpdate;
}

/** The options of an algorithm that say how it updates weights. */
export type UpdateSettings = GrpoLoss &
  LearningRateSettings &
  Pick<GrpoSettings, 'adam' | 'critic' | 'minibatches' | 'warmupSteps'>;

/** The samples that weights are updated on. */
export type UpdateBatch = Pick<LightningBatch, 'samples' | 'tokenWeighting'>;

export interface TrainOnBatchOptions extends Omit<
  SizedPassesOptions,
  'policy' | 'name' | 'objective' | 'sizing' | 'settings'
> {
  readonly policy: TrainedPolicy;
  readonly settings: UpdateSettings;
  /** The things that are known of the size of the policy's updates; undefined where its learning rate is fixed. */
  readonly sizing: StepSizing | undefined;
}

/**
 * Trains one policy on its batch: with a fixed learning rate by one optimizer step for each minibatch and pass, with the rate 'auto' by as
 * many passes as move the policy by its target.
 * @throws {LightningError} `numerics` when loss or gradient is not a finite number, `update-too-large` when the policy moved too far: the
 * weights are then beyond the last good step, and the caller restores them
 */
export async function trainOnBatch(batch: UpdateBatch, options: TrainOnBatchOptions): Promise<PolicyPasses> {
  const { policy, settings } = options;
  const { klBase, samples } = await pullToBase(batch, options);
  const shared: PassesOptions = {
    ...options,
    policy: policy.policy,
    name: policy.name,
    objective: objectiveOf(settings),
  };
  const { asked, sizing = initialSizing(settings.startingLearningRate) } = options;
  const { learningRate } = policy;
  const trained =
    learningRate === 'auto'
      ? await takeSizedPasses({ ...batch, samples }, { ...shared, asked, sizing })
      : await takeFixedPasses({ ...batch, samples }, { ...shared, learningRate: warmedUp(learningRate, options) });
  return { name: policy.name, ...trained, ...(klBase === undefined ? {} : { klBase }) };
}

/** Adds the KL to the base model to the samples, when the algorithm has one. */
async function pullToBase(
  batch: UpdateBatch,
  { settings, policy }: TrainOnBatchOptions,
): Promise<{ readonly samples: LightningBatch['samples']; readonly klBase?: number }> {
  const { klCoefficient, klPlacement } = settings;
  if (klCoefficient === 0 || batch.samples.length === 0) return { samples: batch.samples };
  const reference = await policy.policy.forwardBase(batch.samples);
  const inAdvantage = klPlacement === 'advantage' ? klCoefficient : 0;
  const { samples, meanDivergence } = adjustBatch.byReference(batch.samples, reference, inAdvantage);
  return {
    klBase: meanDivergence,
    samples:
      klPlacement === 'advantage'
        ? samples
        : samples.map((sample, index) => ({ ...sample, referenceLogprobs: reference[index]! })),
  };
}

/** Returns the learning rate of a step. Warm-up is linear: the rate reaches its value at step `warmupSteps` + 1. */
function warmedUp(learningRate: number, { settings, step }: TrainOnBatchOptions): number {
  return learningRate * Math.min(1, step / (settings.warmupSteps + 1));
}
