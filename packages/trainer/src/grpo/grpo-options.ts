import { check, checkLightningRLOptions, type AdamParameters, type LightningRLOptions } from '@agent-lightning/core';
import type { LengthPenalty } from './step/length-penalty.ts';
import { resolveGrpoLoss, type GrpoLoss, type GrpoLossOptions } from './grpo-loss.ts';
import { resolveLearningRate, type LearningRateOptions, type LearningRateSettings } from './learning-rate.ts';

/** Options of `grpo`. */
export interface GrpoOptions extends GrpoLossOptions, LearningRateOptions {
  /** Rollouts of each task that are compared with each other. @default 8 */
  readonly groupSize?: number;
  /** Tasks of one training step. @default 32 */
  readonly tasksPerStep?: number;
  /** The formula by which returns become advantages. @default 'grpo' */
  readonly estimator?: LightningRLOptions['estimator'];
  /** The rule by which the reward of a rollout reaches its calls. @default 'identical' */
  readonly credit?: LightningRLOptions['credit'];
  /** Automatic intermediate rewarding from tool status, exceptions and parse failures; true for the default rules. @default false */
  readonly intermediate?: NonNullable<LightningRLOptions['intermediate']> | boolean;
  /** The layout of training samples: one per call, or one for all calls that continue each other. @default 'trajectory' */
  readonly samples?: LightningRLOptions['samples'];
  /** The weight of each token in the loss. @default 'rollout' */
  readonly tokenWeighting?: LightningRLOptions['tokenWeighting'];
  /**
   * The difference between a bad rollout and a good one. Advantages are never divided by less than a hundredth of it, so that noise in a judge's
   * scores is not trained on as if it were a success; give it where all rewards are close to each other.
   * @default the range of the rewards that the run has seen, at least 1
   */
  readonly rewardScale?: number;
  /** The number of optimizer steps that a training step's batch is split into, groups whole. @default 1 */
  readonly minibatches?: number;
  /** Clips the global L2 norm of the gradient; 0 for no clipping. @default 1 */
  readonly maxGradientNorm?: number;
  /** @default 0.9 */
  readonly beta1?: number;
  /** @default 0.95 */
  readonly beta2?: number;
  /** AdamW's ε, added to the root of the second moment. @default 1e-8 */
  readonly epsilon?: number;
  /** Decoupled. @default 0 */
  readonly weightDecay?: number;
  /** Steps over which a fixed learning rate grows to its value. @default 0 */
  readonly warmupSteps?: number;
  /**
   * The temperature of training rollouts, from 0.01 to 2. Loss, entropy and KL are of the same distribution: softmax(logits / temperature).
   * A backend that scores at 1 only refuses another. @default 1
   */
  readonly temperature?: number;
  /** The most tokens that one call may sample, in training and validation. @default the engine's */
  readonly maxTokens?: number;
  /**
   * Says what becomes of responses that the token limit cut off: `train` trains them like others, `leave-out` does not train them; their
   * rollout still counts in the mean of its group. Leaving them out alone teaches nothing about length. @default 'train'
   */
  readonly truncated?: 'train' | 'leave-out';
  /**
   * A penalty that grows with the length of a response, from 0 at `limit − buffer` tokens to `weight` at `limit`, added to the call's own reward:
   * `limit` is by default `maxTokens`, `weight` 1. @default none
   */
  readonly lengthPenalty?: { readonly limit?: number; readonly buffer: number; readonly weight?: number };
}

/** The options of `grpo` with every default filled in. */
export interface GrpoSettings extends GrpoLoss, LearningRateSettings {
  readonly groupSize: number;
  readonly tasksPerStep: number;
  readonly estimator: LightningRLOptions['estimator'];
  readonly credit: LightningRLOptions['credit'];
  readonly intermediate: NonNullable<LightningRLOptions['intermediate']> | undefined;
  readonly samples: LightningRLOptions['samples'];
  readonly tokenWeighting: LightningRLOptions['tokenWeighting'];
  readonly rewardScale: number | undefined;
  readonly minibatches: number;
  /** The parameters of AdamW but for the learning rate. */
  readonly adam: Required<Omit<AdamParameters, 'learningRate'>>;
  readonly warmupSteps: number;
  readonly temperature: number;
  readonly maxTokens: number | undefined;
  readonly truncated: 'train' | 'leave-out';
  readonly lengthPenalty: LengthPenalty | undefined;
}

/** Checks the options and fills in every default. @throws {ConfigurationError} `option-invalid` */
export function resolveGrpoOptions(options: GrpoOptions): GrpoSettings {
  check.knownOptions('grpo', options, Object.keys(optionNames));
  const { estimator = 'grpo', credit = 'identical', samples = 'trajectory', tokenWeighting = 'rollout' } = options;
  checkLightningRLOptions({ estimator, credit, samples, tokenWeighting });
  const smallestGroup = estimator === 'reinforce++' ? 1 : 2;
  const loss = resolveGrpoLoss(options);
  const minibatches = check.wholeNumber('grpo.minibatches', options.minibatches ?? 1);
  const warmupSteps = check.wholeNumber('grpo.warmupSteps', options.warmupSteps ?? 0, 0);
  return Object.freeze({
    groupSize: check.wholeNumber('grpo.groupSize', options.groupSize ?? 8, smallestGroup),
    tasksPerStep: check.wholeNumber('grpo.tasksPerStep', options.tasksPerStep ?? 32),
    estimator,
    credit,
    intermediate: resolveIntermediate(options.intermediate ?? false),
    samples,
    tokenWeighting,
    rewardScale:
      options.rewardScale === undefined ? undefined : check.positive('grpo.rewardScale', options.rewardScale),
    ...loss,
    ...resolveLearningRate(options, { ...loss, minibatches, warmupSteps }),
    minibatches,
    adam: resolveAdam(options),
    warmupSteps,
    temperature: temperatureOf(options.temperature ?? 1),
    maxTokens: options.maxTokens === undefined ? undefined : check.wholeNumber('grpo.maxTokens', options.maxTokens),
    truncated: check.oneOf('grpo.truncated', options.truncated ?? 'train', ['train', 'leave-out']),
    lengthPenalty: resolveLengthPenalty(options),
  });
}

const optionNames: Readonly<Record<keyof GrpoOptions, true>> = {
  groupSize: true,
  tasksPerStep: true,
  learningRate: true,
  startingLearningRate: true,
  signalGate: true,
  passes: true,
  estimator: true,
  credit: true,
  intermediate: true,
  samples: true,
  tokenWeighting: true,
  rewardScale: true,
  loss: true,
  clipLow: true,
  clipHigh: true,
  dualClip: true,
  sequenceMask: true,
  minibatches: true,
  klCoefficient: true,
  klPlacement: true,
  maxGradientNorm: true,
  beta1: true,
  beta2: true,
  epsilon: true,
  weightDecay: true,
  warmupSteps: true,
  temperature: true,
  maxTokens: true,
  truncated: true,
  lengthPenalty: true,
};

function resolveLengthPenalty({ lengthPenalty, maxTokens }: GrpoOptions): LengthPenalty | undefined {
  if (lengthPenalty === undefined) return undefined;
  const name = 'grpo.lengthPenalty';
  check.knownOptions(name, lengthPenalty, ['limit', 'buffer', 'weight']);
  const limit = lengthPenalty.limit ?? maxTokens;
  if (limit === undefined) throw check.optionInvalid(`${name}.limit`, limit, 'given, where maxTokens is not');
  check.wholeNumber(`${name}.limit`, limit);
  return Object.freeze({
    limit,
    buffer: check.wholeNumber(`${name}.buffer`, lengthPenalty.buffer, 1, limit),
    weight: check.positive(`${name}.weight`, lengthPenalty.weight ?? 1),
  });
}

function temperatureOf(temperature: number): number {
  // Servers sample below 0.01 as if it were 0.01, or greedily.
  if (temperature >= 0.01 && temperature <= 2) return temperature;
  throw check.optionInvalid('grpo.temperature', temperature, 'a number from 0.01 to 2');
}

function resolveAdam(options: GrpoOptions): GrpoSettings['adam'] {
  return Object.freeze({
    beta1: check.unitInterval('grpo.beta1', options.beta1 ?? 0.9),
    beta2: check.unitInterval('grpo.beta2', options.beta2 ?? 0.95),
    epsilon: check.positive('grpo.epsilon', options.epsilon ?? 1e-8),
    weightDecay: check.positive('grpo.weightDecay', options.weightDecay ?? 0, { orZero: true }),
    maxGradientNorm: check.positive('grpo.maxGradientNorm', options.maxGradientNorm ?? 1, { orZero: true }),
  });
}

function resolveIntermediate(
  intermediate: NonNullable<LightningRLOptions['intermediate']> | boolean,
): NonNullable<LightningRLOptions['intermediate']> | undefined {
  if (intermediate === true) return {};
  return intermediate === false ? undefined : intermediate;
}
