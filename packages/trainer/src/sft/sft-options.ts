import {
  buildDemonstrations,
  check,
  ConfigurationError,
  type AgentMatch,
  type JsonValue,
  type LightningRLOptions,
  type LightningStore,
  type RolloutMode,
} from '@agent-lightning/core';
import { resolveAdam, resolveTemperature, type AdamOptions, type AdamSettings } from '../adam-options.ts';
import { resolveTeacherServer, type TeacherServerOptions } from '../teacher-server.ts';
import type { SelectionSettings } from './select-demonstrations.ts';

/** Rollouts that ran before: of a run, or live traffic that was captured. */
export interface SftSourceOptions {
  /** A store, which stays open, or the path of a run directory or of a SQLite file. */
  readonly store: LightningStore | string;
  /** Only rollouts of this run. @default of every run */
  readonly runId?: string;
  /** Only rollouts of these modes. Live traffic has the mode `test`, and so have the held-out tasks of a verdict. @default ['train'] */
  readonly modes?: readonly RolloutMode[];
  /** Selects the agents whose calls are imitated. @default the calls that a policy answered; in a rollout without any, every call */
  readonly agentMatch?: AgentMatch;
}

/** Options of `sft`. */
export interface SftOptions extends AdamOptions {
  /**
   * The rollouts that are imitated, where they ran before: a store and what of it, or the path of a run directory or of a SQLite file. `fit`
   * then takes no tasks to train on. @default rollouts that the run samples
   */
  readonly from?: string | SftSourceOptions;
  /** A stronger model that answers training rollouts in the place of the policy, which imitates its text. @default none: the policy answers */
  readonly teacher?: TeacherServerOptions;
  /** Rollouts of each task, of which the best are imitated. @default 4, and 1 with a teacher */
  readonly samplesPerTask?: number;
  /** Tasks of one training step. @default 16 */
  readonly tasksPerStep?: number;
  /** Rollouts of one training step; only with `from`. @default 32 */
  readonly rolloutsPerStep?: number;
  /** The most rollouts of one task that are imitated, the best first. @default 1; all with `from` */
  readonly keep?: number;
  /**
   * The lowest reward of a rollout that is imitated. @default none: of rollouts of its own the policy imitates those that earned more than the
   * mean of their task; of a teacher and of stored rollouts every one that succeeded, with or without a reward
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
  readonly from: (SftSourceOptions & Required<Pick<SftSourceOptions, 'modes'>>) | undefined;
  readonly teacher: TeacherServerOptions | undefined;
  readonly rolloutsPerStep: number;
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
  from: true,
  teacher: true,
  rolloutsPerStep: true,
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
  rejectTogether(options);
  const { minReward, kindOf, learningRate, maxTokens } = options;
  const isOwn = options.from === undefined && options.teacher === undefined;
  const mustBeBetter = isOwn && minReward === undefined;
  const samples = check.oneOf('sft.samples', options.samples ?? 'trajectory', ['transition', 'trajectory']);
  const { tokenWeighting = 'rollout' } = options;
  buildDemonstrations([], { samples, tokenWeighting }); // checks the weighting
  return Object.freeze({
    from: options.from === undefined ? undefined : resolveSource(options.from),
    teacher: options.teacher === undefined ? undefined : resolveTeacherServer('sft.teacher', options.teacher),
    samplesPerTask: check.wholeNumber(
      'sft.samplesPerTask',
      options.samplesPerTask ?? (isOwn ? 4 : 1),
      mustBeBetter ? 2 : 1,
    ),
    tasksPerStep: check.wholeNumber('sft.tasksPerStep', options.tasksPerStep ?? 16),
    rolloutsPerStep: check.wholeNumber('sft.rolloutsPerStep', options.rolloutsPerStep ?? 32),
    keep: resolveKeep(options),
    minReward: minReward === undefined ? undefined : checkReward(minReward),
    mustBeBetter,
    truncated: check.oneOf('sft.truncated', options.truncated ?? 'leave-out', ['train', 'leave-out']),
    dedupe: checkFlag('sft.dedupe', options.dedupe ?? true),
    kindOf: kindOf === undefined ? undefined : checkKindOf(kindOf),
    samples,
    tokenWeighting,
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

/** Rejects options that the place where rollouts come from would ignore. */
function rejectTogether(options: SftOptions): void {
  const reject = (name: keyof SftOptions, why: string): void => {
    if (options[name] !== undefined)
      throw check.optionInvalid(`sft.${name}`, JSON.stringify(options[name]), `left out ${why}`);
  };
  if (options.from === undefined)
    return reject('rolloutsPerStep', 'without from; tasksPerStep and samplesPerTask say what a step runs');
  for (const name of ['teacher', 'samplesPerTask', 'tasksPerStep'] as const)
    reject(name, 'with from: no rollouts are sampled to be imitated');
}

function resolveKeep({ keep, from }: SftOptions): number {
  if (keep === undefined) return from === undefined ? 1 : Infinity;
  return check.wholeNumber('sft.keep', keep);
}

function resolveSource(from: string | SftSourceOptions): SftSettings['from'] {
  const source = typeof from === 'string' ? { store: from } : from;
  check.knownOptions('sft.from', source, ['store', 'runId', 'modes', 'agentMatch']);
  const { store, runId, modes = ['train'], agentMatch } = source;
  if (typeof store === 'string' ? store === '' : typeof store?.queryRollouts !== 'function')
    throw check.optionInvalid('sft.from', store, 'a store, or the path of a run directory or of a SQLite file');
  if (typeof store === 'string' && /^[a-z][a-z0-9+.-]+:\/\//i.test(store))
    throw new ConfigurationError(
      'sft.from must be a store, or the path of a run directory or of a SQLite file, not a URL; its value is not shown. Open the store of a database, and give that',
      { code: 'option-invalid' },
    );
  if (runId !== undefined && (typeof runId !== 'string' || runId === ''))
    throw check.optionInvalid('sft.from.runId', runId, 'the id of a run, or left out for all of them');
  if (!Array.isArray(modes) || modes.length === 0)
    throw check.optionInvalid('sft.from.modes', modes, "at least one of 'train', 'val' and 'test'");
  for (const mode of modes) check.oneOf('sft.from.modes', mode, ['train', 'val', 'test']);
  if (agentMatch !== undefined) check.agentMatch('sft.from.agentMatch', agentMatch);
  return Object.freeze({ ...source, modes });
}
