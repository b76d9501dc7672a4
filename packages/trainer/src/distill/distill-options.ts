import { buildDemonstrations, check, type LightningRLOptions, type TrainingBackend } from '@agent-lightning/core';
import { resolveAdam, type AdamOptions } from '../adam-options.ts';
import { resolveGrpoLoss } from '../grpo/grpo-loss.ts';
import { resolveLearningRate, type LearningRateOptions } from '../grpo/learning-rate.ts';
import { describeTeacherServer, resolveTeacherServer, type TeacherServerOptions } from '../teacher-server.ts';
import type { UpdateSettings } from '../grpo/step/train-on-batch.ts';

/** Options of `distill`. */
export interface DistillOptions extends LearningRateOptions, AdamOptions {
  /**
   * The model that the policy is to answer like, with the same tokenizer: on a vLLM server, or the base model of a backend, such as
   * `gpu({ model })` or `embedded({ model })`, which stays open. Hosted models do not say how likely they find given tokens.
   */
  readonly teacher: TeacherServerOptions | TrainingBackend;
  /** The weight of the reward's advantage, which is that of `grpo`, beside the teacher's. @default 0: rewards are not learned from */
  readonly rewardWeight?: number;
  /** Rollouts of each task. @default 4, and 8 with a reward */
  readonly samplesPerTask?: number;
  /** Tasks of one training step. @default 16 */
  readonly tasksPerStep?: number;
  /** The layout of training samples: one per call, or one for all calls that continue each other. @default 'trajectory' */
  readonly samples?: LightningRLOptions['samples'];
  /** The weight of each token in the loss. @default 'token', since the divergence of a text is the sum over its tokens */
  readonly tokenWeighting?: LightningRLOptions['tokenWeighting'];
  /** The number of optimizer steps that a pass is split into, groups whole. @default 1 */
  readonly minibatches?: number;
  /** Steps over which a fixed learning rate grows to its value. @default 0 */
  readonly warmupSteps?: number;
  /** The most tokens that one call may sample, in training and validation. @default the engine's */
  readonly maxTokens?: number;
}

/** The options of `distill` with every default filled in. */
export interface DistillSettings extends UpdateSettings {
  readonly teacher: TeacherServerOptions | TrainingBackend;
  readonly rewardWeight: number;
  readonly samplesPerTask: number;
  readonly tasksPerStep: number;
  readonly samples: LightningRLOptions['samples'];
  readonly tokenWeighting: LightningRLOptions['tokenWeighting'];
  readonly maxTokens: number | undefined;
}

const optionNames: Readonly<Record<keyof DistillOptions, true>> = {
  teacher: true,
  rewardWeight: true,
  samplesPerTask: true,
  tasksPerStep: true,
  samples: true,
  tokenWeighting: true,
  learningRate: true,
  startingLearningRate: true,
  signalGate: true,
  passes: true,
  minibatches: true,
  warmupSteps: true,
  maxGradientNorm: true,
  beta1: true,
  beta2: true,
  epsilon: true,
  weightDecay: true,
  maxTokens: true,
};

/** Checks the options and fills in every default. @throws {ConfigurationError} `option-invalid` */
export function resolveDistillOptions(options: DistillOptions): DistillSettings {
  check.knownOptions('distill', options, Object.keys(optionNames));
  const { teacher, samples = 'trajectory', tokenWeighting = 'token', maxTokens } = options;
  const rewardWeight = check.positive('distill.rewardWeight', options.rewardWeight ?? 0, { orZero: true });
  const minibatches = check.wholeNumber('distill.minibatches', options.minibatches ?? 1);
  const warmupSteps = check.wholeNumber('distill.warmupSteps', options.warmupSteps ?? 0, 0);
  const loss = resolveGrpoLoss({}); // clipped, since an update may pass over its batch several times
  check.oneOf('distill.samples', samples, ['transition', 'trajectory']);
  buildDemonstrations([], { samples, tokenWeighting }); // checks the weighting
  return Object.freeze({
    teacher: isBackend(teacher) ? teacher : resolveTeacherServer('distill.teacher', teacher),
    rewardWeight,
    samplesPerTask: check.wholeNumber(
      'distill.samplesPerTask',
      options.samplesPerTask ?? (rewardWeight > 0 ? 8 : 4),
      rewardWeight > 0 ? 2 : 1,
    ),
    tasksPerStep: check.wholeNumber('distill.tasksPerStep', options.tasksPerStep ?? 16),
    samples,
    tokenWeighting,
    ...loss,
    ...resolveLearningRate('distill', options, { estimator: 'grpo', ...loss, minibatches, warmupSteps }),
    minibatches,
    warmupSteps,
    critic: undefined,
    adam: resolveAdam('distill', options),
    maxTokens: maxTokens === undefined ? undefined : check.wholeNumber('distill.maxTokens', maxTokens),
  });
}

/** Tells a backend, whose base model is the teacher, from a server. */
export function isBackend(teacher: DistillOptions['teacher']): teacher is TrainingBackend {
  return typeof (teacher as Partial<TrainingBackend> | undefined)?.createPolicy === 'function';
}

/** Returns the options as a run's record has them: without a key, and a backend by its name. */
export function describeSettings({ teacher, ...others }: DistillSettings): Readonly<Record<string, unknown>> {
  return { ...others, teacher: isBackend(teacher) ? { backend: teacher.name } : describeTeacherServer(teacher) };
}
