import { check, checkLightningRLOptions, type LightningRLOptions } from '@agent-lightning/core';
import { resolveAdam, resolveTemperature, type AdamOptions, type AdamSettings } from '../adam-options.ts';
import { resolveCritic, type CriticOptions, type CriticSettings } from './critic-options.ts';
import type { LengthPenalty } from './step/length-penalty.ts';
import { resolveGrpoLoss, type GrpoLoss, type GrpoLossOptions } from './grpo-loss.ts';
import { resolveLearningRate, type LearningRateOptions, type LearningRateSettings } from './learning-rate.ts';

/** Options of `grpo`. */
export interface GrpoOptions extends GrpoLossOptions, LearningRateOptions, AdamOptions {
  /** Rollouts of each task that are compared with each other. @default 8 */
  readonly groupSize?: number;
  /** Tasks of one training step. Small steps, of 8 to 16 tasks, need fewer rollouts; a noisy reward may want more. @default 16 */
  readonly tasksPerStep?: number;
  /**
   * The most further tasks that a step takes in place of groups whose rewards are all equal, as a share of `tasksPerStep`. It keeps the
   * number of groups that teach something even, and costs rollouts. @default 0
   */
  readonly refill?: number;
  /**
   * Rollouts that a task gets more when all of its rollouts earned the lowest reward that the run has seen, as a share of `groupSize`: where
   * successes are rare, one more of them is a lesson. @default 0.5, and 0 for the estimators 'reinforce++' and 'gae', which compare over the batch
   */
  readonly extendFailed?: number;
  /**
   * The order of the tasks: `by-success` takes a task whose groups taught nothing lately (always solved, or never) every second epoch and
   * then every fourth, `even` takes every task once an epoch. @default 'by-success'; 'even' with `maxStaleness` above 0, where steps are
   * planned before the ones before them are known, and for the estimators 'reinforce++' and 'gae'
   */
  readonly taskSchedule?: 'by-success' | 'even';
  /** The formula by which returns become advantages; `gae` is PPO with a critic. @default 'grpo' */
  readonly estimator?: LightningRLOptions['estimator'];
  /** The critic of the estimator `gae`, and of no other. */
  readonly critic?: CriticOptions;
  /** The rule by which the reward of a rollout reaches its calls. @default 'identical'; 'perStep', and nothing else, with `gae` */
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
   * The advantage of each answer that the agent threw away, such as −1: that of a node which failed and was run again. Not for the estimator `gae`.
   * @default they are left out
   */
  readonly discardedAdvantage?: LightningRLOptions['discardedAdvantage'];
  /**
   * The difference between a bad rollout and a good one. Advantages are never divided by less than a hundredth of it, so that noise in a judge's
   * scores is not trained on as if it were a success; give it where all rewards are close to each other.
   * @default the range of the rewards that the run has seen, at least 1
   */
  readonly rewardScale?: number;
  /** The number of optimizer steps that a training step's batch is split into, groups whole. @default 1 */
  readonly minibatches?: number;
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
  readonly refill: number;
  readonly extendFailed: number;
  /** Undefined: by success, where the steps before are known when a step is planned. */
  readonly taskSchedule: GrpoOptions['taskSchedule'];
  readonly estimator: LightningRLOptions['estimator'];
  readonly critic: CriticSettings | undefined;
  readonly credit: LightningRLOptions['credit'];
  readonly intermediate: NonNullable<LightningRLOptions['intermediate']> | undefined;
  readonly samples: LightningRLOptions['samples'];
  readonly tokenWeighting: LightningRLOptions['tokenWeighting'];
  readonly weighNodes: boolean;
  readonly discardedAdvantage: number | undefined;
  readonly rewardScale: number | undefined;
  readonly minibatches: number;
  /** The parameters of AdamW but for the learning rate. */
  readonly adam: AdamSettings;
  readonly warmupSteps: number;
  readonly temperature: number;
  readonly maxTokens: number | undefined;
  readonly truncated: 'train' | 'leave-out';
  readonly lengthPenalty: LengthPenalty | undefined;
}

/** Checks the options and fills in every default. @throws {ConfigurationError} `option-invalid` */
export function resolveGrpoOptions(options: GrpoOptions): GrpoSettings {
  check.knownOptions('grpo', options, Object.keys(optionNames));
  const {
    estimator = 'grpo',
    credit = estimator === 'gae' ? 'perStep' : 'identical',
    samples = 'trajectory',
    tokenWeighting = 'rollout',
  } = options;
  const intermediate = resolveIntermediate(options.intermediate ?? false);
  const weighNodes = options.weighNodes === true;
  checkLightningRLOptions({
    estimator,
    credit,
    samples,
    tokenWeighting,
    weighNodes,
    ...(options.discardedAdvantage === undefined ? {} : { discardedAdvantage: options.discardedAdvantage }),
    ...(intermediate === undefined ? {} : { intermediate }),
  });
  const smallestGroup = comparesBatch(estimator) ? 1 : 2;
  const loss = resolveGrpoLoss(options);
  const minibatches = check.wholeNumber('grpo.minibatches', options.minibatches ?? 1);
  const warmupSteps = check.wholeNumber('grpo.warmupSteps', options.warmupSteps ?? 0, 0);
  return Object.freeze({
    groupSize: check.wholeNumber('grpo.groupSize', options.groupSize ?? 8, smallestGroup),
    tasksPerStep: check.wholeNumber('grpo.tasksPerStep', options.tasksPerStep ?? 16),
    ...resolvePlan(options, estimator),
    estimator,
    critic: resolveCritic(estimator, options.critic),
    credit,
    intermediate,
    weighNodes,
    discardedAdvantage: options.discardedAdvantage,
    samples,
    tokenWeighting,
    rewardScale: options.rewardScale === undefined ? undefined : rewardSize('grpo.rewardScale', options.rewardScale),
    ...loss,
    ...resolveLearningRate('grpo', options, { estimator, ...loss, minibatches, warmupSteps }),
    minibatches,
    adam: resolveAdam('grpo', options),
    warmupSteps,
    temperature: resolveTemperature('grpo', options.temperature ?? 1),
    maxTokens: options.maxTokens === undefined ? undefined : check.wholeNumber('grpo.maxTokens', options.maxTokens),
    truncated: check.oneOf('grpo.truncated', options.truncated ?? 'train', ['train', 'leave-out']),
    lengthPenalty: resolveLengthPenalty(options),
  });
}

const optionNames: Readonly<Record<keyof GrpoOptions, true>> = {
  groupSize: true,
  tasksPerStep: true,
  refill: true,
  extendFailed: true,
  taskSchedule: true,
  learningRate: true,
  startingLearningRate: true,
  signalGate: true,
  passes: true,
  estimator: true,
  critic: true,
  credit: true,
  intermediate: true,
  samples: true,
  tokenWeighting: true,
  weighNodes: true,
  discardedAdvantage: true,
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

/** Checks a size in units of the reward: one beyond the rewards themselves is a mistake, and overflows. */
function rewardSize(name: string, value: number): number {
  if (check.positive(name, value) <= 1e9) return value;
  throw check.optionInvalid(name, value, 'a number above 0, up to 1e9');
}

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
    weight: rewardSize(`${name}.weight`, lengthPenalty.weight ?? 1),
  });
}

/** Tells whether rollouts are compared over the batch, whatever their task is. */
function comparesBatch(estimator: LightningRLOptions['estimator']): boolean {
  return estimator === 'reinforce++' || estimator === 'gae';
}

/** Resolves what a step takes more, or less often. Groups without variance are no loss where rewards are compared over the batch. */
function resolvePlan(
  { refill, extendFailed, taskSchedule }: GrpoOptions,
  estimator: LightningRLOptions['estimator'],
): Pick<GrpoSettings, 'refill' | 'extendFailed' | 'taskSchedule'> {
  const given = Object.entries({ refill, extendFailed, taskSchedule }).find(
    ([, value]) => value !== undefined && value !== 0 && value !== 'even',
  );
  if (comparesBatch(estimator)) {
    if (given === undefined) return { refill: 0, extendFailed: 0, taskSchedule: 'even' };
    const expected = `left out: the estimator '${estimator}' compares over the batch, so that groups with equal rewards teach too`;
    throw check.optionInvalid(`grpo.${given[0]}`, given[1], expected);
  }
  return {
    refill: check.positive('grpo.refill', refill ?? 0, { orZero: true }),
    extendFailed: check.positive('grpo.extendFailed', extendFailed ?? 0.5, { orZero: true }),
    taskSchedule:
      taskSchedule === undefined ? undefined : check.oneOf('grpo.taskSchedule', taskSchedule, ['by-success', 'even']),
  };
}

function resolveIntermediate(
  intermediate: NonNullable<LightningRLOptions['intermediate']> | boolean,
): NonNullable<LightningRLOptions['intermediate']> | undefined {
  if (intermediate === true) return { kind: 'additive' };
  return intermediate === false ? undefined : intermediate;
}
