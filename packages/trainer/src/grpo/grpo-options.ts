import { check, checkLightningRLOptions, type AdamParameters, type LightningRLOptions } from '@agent-lightning/core';
import { resolveGrpoLoss, type GrpoLoss, type GrpoLossOptions } from './grpo-loss.ts';

/** Options of `grpo`. */
export interface GrpoOptions extends GrpoLossOptions {
  /** Rollouts of each task that are compared with each other. @default 8 */
  readonly groupSize?: number;
  /** Tasks of one training step. @default 32 */
  readonly tasksPerStep?: number;
  /** @default 3e-4, which suits small models and adapters */
  readonly learningRate?: number;
  /** The formula by which returns become advantages. @default 'grpo' */
  readonly estimator?: LightningRLOptions['estimator'];
  /** The rule by which the reward of a rollout reaches its calls. @default 'identical' */
  readonly credit?: LightningRLOptions['credit'];
  /**
   * Automatic intermediate rewarding from tool status, exceptions and parse failures. `{ kind: 'additive' }`, or true: rewards that never outweigh the
   * outcome. `{ kind: 'potential' }`: a baseline for credit `perStep`, which leaves the optimum as it is. @default false
   */
  readonly intermediate?: NonNullable<LightningRLOptions['intermediate']> | boolean;
  /** The layout of training samples: one per call, or one for all calls that continue each other. @default 'trajectory' */
  readonly samples?: LightningRLOptions['samples'];
  /** The weight of each token in the loss. @default 'rollout' */
  readonly tokenWeighting?: LightningRLOptions['tokenWeighting'];
  /**
   * Weighs calls by how much the replies of their agent were seen to matter, for agents of many calls of which few decide. It needs credit
   * `identical` and the estimator `grpo`. @default false
   */
  readonly weighNodes?: boolean;
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
  /** Steps over which the learning rate grows to its value. @default 0 */
  readonly warmupSteps?: number;
  /**
   * Temperature of training rollouts. The loss scores the distribution at 1; another temperature makes the data
   * off-policy, which the importance ratio corrects. @default 1
   */
  readonly temperature?: number;
  /** The most tokens that one call may sample, in training and validation. @default the engine's */
  readonly maxTokens?: number;
}

/** The options of `grpo` with every default filled in. */
export interface GrpoSettings extends GrpoLoss {
  readonly groupSize: number;
  readonly tasksPerStep: number;
  readonly estimator: LightningRLOptions['estimator'];
  readonly credit: LightningRLOptions['credit'];
  readonly intermediate: NonNullable<LightningRLOptions['intermediate']> | undefined;
  readonly samples: LightningRLOptions['samples'];
  readonly tokenWeighting: LightningRLOptions['tokenWeighting'];
  readonly weighNodes: boolean;
  readonly rewardScale: number | undefined;
  readonly minibatches: number;
  readonly adam: Required<AdamParameters>;
  readonly warmupSteps: number;
  readonly temperature: number;
  readonly maxTokens: number | undefined;
}

/** Checks the options and fills in every default. @throws {ConfigurationError} `option-invalid` */
export function resolveGrpoOptions(options: GrpoOptions): GrpoSettings {
  check.knownOptions('grpo', options, Object.keys(optionNames));
  const { estimator = 'grpo', credit = 'identical', samples = 'trajectory', tokenWeighting = 'rollout' } = options;
  const intermediate = resolveIntermediate(options.intermediate ?? false);
  const weighNodes = options.weighNodes === true;
  checkLightningRLOptions({
    estimator,
    credit,
    samples,
    tokenWeighting,
    weighNodes,
    ...(intermediate === undefined ? {} : { intermediate }),
  });
  const smallestGroup = estimator === 'reinforce++' ? 1 : 2;
  return Object.freeze({
    groupSize: check.wholeNumber('grpo.groupSize', options.groupSize ?? 8, smallestGroup),
    tasksPerStep: check.wholeNumber('grpo.tasksPerStep', options.tasksPerStep ?? 32),
    estimator,
    credit,
    intermediate,
    weighNodes,
    samples,
    tokenWeighting,
    rewardScale:
      options.rewardScale === undefined ? undefined : check.positive('grpo.rewardScale', options.rewardScale),
    ...resolveGrpoLoss(options),
    minibatches: check.wholeNumber('grpo.minibatches', options.minibatches ?? 1),
    adam: resolveAdam(options),
    warmupSteps: check.wholeNumber('grpo.warmupSteps', options.warmupSteps ?? 0, 0),
    temperature: temperatureOf(options.temperature ?? 1),
    maxTokens: options.maxTokens === undefined ? undefined : check.wholeNumber('grpo.maxTokens', options.maxTokens),
  });
}

const optionNames: Readonly<Record<keyof GrpoOptions, true>> = {
  groupSize: true,
  tasksPerStep: true,
  learningRate: true,
  estimator: true,
  credit: true,
  intermediate: true,
  samples: true,
  tokenWeighting: true,
  weighNodes: true,
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
};

function temperatureOf(temperature: number): number {
  if (temperature > 0 && temperature <= 2) return temperature;
  throw check.optionInvalid('grpo.temperature', temperature, 'a number above 0, up to 2');
}

function resolveAdam(options: GrpoOptions): GrpoSettings['adam'] {
  return Object.freeze({
    learningRate: check.positive('grpo.learningRate', options.learningRate ?? 3e-4),
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
  if (intermediate === true) return { kind: 'additive' };
  return intermediate === false ? undefined : intermediate;
}
