import { check, type JsonValue, type LightningRLOptions } from '@agent-lightning/core';
import { resolveAdam, resolveTemperature, type AdamOptions, type AdamSettings } from '../adam-options.ts';
import type { SelectionSettings } from './select-demonstrations.ts';

/** Options of `sft`. */
export interface SftOptions extends AdamOptions {
  /** Rollouts of each task, of which the best are imitated. @default 4 */
  readonly samplesPerTask?: number;
  /** Tasks of one training step. @default 16 */
  readonly tasksPerStep?: number;
  /** The most rollouts of one task that are imitated, the best first. @default 1 */
  readonly keep?: number;
  /**
   * The lowest reward of a rollout that is imitated. @default none: a rollout must have earned more than the mean of its task's rollouts
   */
  readonly minReward?: number;
  /**
   * Says what becomes of rollouts with a response that the token limit cut off: `leave-out`, or `train`, which teaches to stop anywhere.
   * @default 'leave-out'
   */
  readonly truncated?: 'train' | 'leave-out';
  /** Takes rollouts of one task that say the same, token for token, once. @default true */
  readonly dedupe?: boolean;
  /** Returns the kind of a task. Each kind then has the same part in the loss of a step, however many of its rollouts are imitated. @default none */
  readonly kindOf?: (task: never) => string;
  /** The layout of training samples: one per call, or one for all calls that continue each other. @default 'trajectory' */
  readonly samples?: LightningRLOptions['samples'];
  /** The weight of each token in the loss. @default 'rollout' */
  readonly tokenWeighting?: LightningRLOptions['tokenWeighting'];
  /** Passes over the training samples of a step. @default 1 */
  readonly passes?: number;
  /** The number of optimizer steps that a pass is split into. @default 1 */
  readonly minibatches?: number;
  /** The learning rate of AdamW. @default 1e-5 where all weights train, 1e-4 for an adapter */
  readonly learningRate?: number;
  /** Steps over which the learning rate grows to its value. @default 0 */
  readonly warmupSteps?: number;
  /** The temperature of training rollouts, from 0.01 to 2; texts are imitated at 1, whatever they were sampled at. @default 1 */
  readonly temperature?: number;
  /** The most tokens that one call may sample, in training and validation. @default the engine's */
  readonly maxTokens?: number;
}

/** The options of `sft` with every default filled in. */
export interface SftSettings extends SelectionSettings {
  readonly samplesPerTask: number;
  readonly tasksPerStep: number;
  readonly kindOf: ((task: JsonValue) => string) | undefined;
  readonly samples: LightningRLOptions['samples'];
  readonly tokenWeighting: LightningRLOptions['tokenWeighting'];
  readonly passes: number;
  readonly minibatches: number;
  /** Undefined: by what the backend trains. */
  readonly learningRate: number | undefined;
  readonly warmupSteps: number;
  /** The parameters of AdamW but for the learning rate. */
  readonly adam: AdamSettings;
  readonly temperature: number;
  readonly maxTokens: number | undefined;
}

const optionNames: Readonly<Record<keyof SftOptions, true>> = {
  samplesPerTask: true,
  tasksPerStep: true,
  keep: true,
  minReward: true,
  truncated: true,
  dedupe: true,
  kindOf: true,
  samples: true,
  tokenWeighting: true,
  passes: true,
  minibatches: true,
  learningRate: true,
  warmupSteps: true,
  maxGradientNorm: true,
  beta1: true,
  beta2: true,
  epsilon: true,
  weightDecay: true,
  temperature: true,
  maxTokens: true,
};

/** Checks the options and fills in every default. @throws {ConfigurationError} `option-invalid` */
export function resolveSftOptions(options: SftOptions): SftSettings {
  check.knownOptions('sft', options, Object.keys(optionNames));
  const { minReward, kindOf, learningRate, maxTokens } = options;
  return Object.freeze({
    samplesPerTask: check.wholeNumber(
      'sft.samplesPerTask',
      options.samplesPerTask ?? 4,
      minReward === undefined ? 2 : 1,
    ),
    tasksPerStep: check.wholeNumber('sft.tasksPerStep', options.tasksPerStep ?? 16),
    keep: check.wholeNumber('sft.keep', options.keep ?? 1),
    minReward: minReward === undefined ? undefined : checkReward(minReward),
    mustBeBetter: minReward === undefined,
    truncated: check.oneOf('sft.truncated', options.truncated ?? 'leave-out', ['train', 'leave-out']),
    dedupe: checkFlag('sft.dedupe', options.dedupe ?? true),
    kindOf: kindOf === undefined ? undefined : checkKindOf(kindOf),
    samples: check.oneOf('sft.samples', options.samples ?? 'trajectory', ['transition', 'trajectory']),
    tokenWeighting: options.tokenWeighting ?? 'rollout',
    passes: check.wholeNumber('sft.passes', options.passes ?? 1),
    minibatches: check.wholeNumber('sft.minibatches', options.minibatches ?? 1),
    learningRate: learningRate === undefined ? undefined : check.positive('sft.learningRate', learningRate),
    warmupSteps: check.wholeNumber('sft.warmupSteps', options.warmupSteps ?? 0, 0),
    adam: resolveAdam('sft', options),
    temperature: resolveTemperature('sft', options.temperature ?? 1),
    maxTokens: maxTokens === undefined ? undefined : check.wholeNumber('sft.maxTokens', maxTokens),
  });
}

function checkReward(reward: number): number {
  if (Number.isFinite(reward)) return reward;
  throw check.optionInvalid('sft.minReward', reward, 'a finite number');
}

function checkFlag(option: string, flag: boolean): boolean {
  if (typeof flag === 'boolean') return flag;
  throw check.optionInvalid(option, JSON.stringify(flag), 'true or false');
}

function checkKindOf(kindOf: NonNullable<SftOptions['kindOf']>): SftSettings['kindOf'] {
  if (typeof kindOf === 'function') return kindOf as (task: JsonValue) => string;
  throw check.optionInvalid('sft.kindOf', kindOf, 'a function that returns the kind of a task');
}
