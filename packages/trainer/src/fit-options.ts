import { check, type Algorithm, type JsonValue } from '@agent-lightning/core';
import { digestTasks } from '@agent-lightning/run';
import { toPlainTasks } from './plain-tasks.ts';

/** The tasks to train on, and the length of the training. */
export interface FitOptions<Task = JsonValue> {
  /**
   * The tasks to train on, at least one; none for an algorithm that learns from stored rollouts. Every task must be JSON; members that are
   * undefined are left out.
   */
  readonly train: readonly Task[];
  /** Held-out tasks, run greedily where a policy answers. @default none */
  readonly validation?: readonly Task[];
  /** Training steps. Give this or `epochs`. @default what the algorithm says, or else one epoch */
  readonly steps?: number;
  /** Passes over `train`, or over the stored rollouts that an algorithm learns from. */
  readonly epochs?: number;
  /** The number of steps between validations during training; 0 validates only before training and at the end. @default 0 */
  readonly validationEvery?: number;
  /** The number of validation tasks to run during training; the first and the last validation run all. @default all */
  readonly validationSubset?: number;
  /**
   * The verdict at the end: whether the trained agent is better than it was. False leaves it out, and keeps the last step.
   * @default { samples: 4, step: 'best' } with at least 16 held-out tasks, else false
   */
  readonly verdict?: false | VerdictOptions;
  /** Go on with the run in the run directory. @default false */
  readonly resume?: boolean;
}

/** The way in which a run is judged. It costs `2 × samples` rollouts of each task of the verdict, half of them before training. */
export interface VerdictOptions {
  /** Rollouts of each task before training, and as many after it; they are sampled as in training. @default 4 */
  readonly samples?: number;
  /**
   * The step that is judged and kept. `best`: among the validated steps, the best on one half of the held-out tasks; the verdict is on
   * the other half. `last`: the last step; the verdict is on all held-out tasks. @default 'best'
   */
  readonly step?: 'best' | 'last';
}

export interface ResolvedFitOptions<Task = JsonValue> {
  readonly train: readonly Task[];
  readonly validation: readonly Task[];
  readonly steps: number;
  readonly validationEvery: number;
  readonly validationSubset: number;
  readonly verdict: Required<VerdictOptions> | undefined;
  readonly resume: boolean;
  /** A digest that tells one data set from another: the first 16 hex digits of a SHA-256. */
  readonly trainDigest: string;
  readonly validationDigest: string;
}

const optionNames: Readonly<Record<keyof FitOptions<never>, true>> = {
  train: true,
  validation: true,
  steps: true,
  epochs: true,
  validationEvery: true,
  validationSubset: true,
  verdict: true,
  resume: true,
};

/** The things of an algorithm that the length of a run follows from. */
export interface StepRules {
  /** The steps that the algorithm counted: of the run, or of one epoch where it runs no tasks. @default one epoch of the tasks */
  readonly counted?: number | undefined;
  /** False for an algorithm that runs no tasks. @default true */
  readonly runsTasks?: boolean | undefined;
}

/** Asks an algorithm how many steps a run has, where `fit` does not say it. @throws {ConfigurationError} `option-invalid` for an unknown option of `fit` */
export async function countSteps<Task>(
  { uses, countSteps: count }: Pick<Algorithm, 'uses' | 'countSteps'>,
  options: FitOptions<Task>,
  host: Parameters<NonNullable<Algorithm['countSteps']>>[1],
): Promise<StepRules> {
  check.knownOptions('fit', options, optionNames);
  const { train, steps, epochs } = options;
  const runsTasks = uses.tasks ?? true;
  const isAsked =
    steps === undefined && (!runsTasks || (epochs === undefined && Array.isArray(train) && train.length > 0));
  return { runsTasks, ...(isAsked && count !== undefined && { counted: await count(train?.length ?? 0, host) }) };
}

/** Checks the options of `fit` and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveFitOptions<Task>(
  options: FitOptions<Task>,
  tasksPerStep: number,
  { counted, runsTasks = true }: StepRules = {},
): ResolvedFitOptions<Task> {
  check.knownOptions('fit', options, optionNames);
  const { train: given, validation: heldOut = [] } = options;
  if (!Array.isArray(given) || (runsTasks ? given.length === 0 : given.length > 0))
    throw check.optionInvalid(
      'fit: train',
      given,
      runsTasks
        ? 'an array of at least one task'
        : 'an empty array: the algorithm learns from stored rollouts and runs no tasks',
    );
  if (!Array.isArray(heldOut)) throw check.optionInvalid('fit: validation', heldOut, 'an array of tasks');
  const train = toPlainTasks('fit: train', given as readonly Task[]);
  const validation = toPlainTasks('fit: validation', heldOut as readonly Task[]);
  if (options.steps !== undefined && options.epochs !== undefined)
    throw check.optionInvalid('fit: steps and epochs', `${options.steps} and ${options.epochs}`, 'given one at a time');
  const epochs = check.wholeNumber('fit: epochs', options.epochs ?? 1);
  const subset = options.validationSubset ?? validation.length;
  return Object.freeze({
    train,
    validation,
    steps:
      options.steps !== undefined
        ? check.wholeNumber('fit: steps', options.steps)
        : runsTasks
          ? (counted ?? Math.ceil((train.length * epochs) / tasksPerStep))
          : Math.max(1, Math.ceil((counted ?? 1) * epochs)),
    validationEvery: check.wholeNumber('fit: validationEvery', options.validationEvery ?? 0, 0),
    validationSubset:
      validation.length === 0 ? 0 : check.wholeNumber('fit: validationSubset', subset, 1, validation.length),
    verdict: resolveVerdict(options.verdict, validation.length),
    resume: options.resume ?? false,
    trainDigest: digestTasks(train),
    validationDigest: digestTasks(validation),
  });
}

/** The fewest held-out tasks for which a run says a verdict without being asked: fewer rarely can tell. */
export const fewestForVerdict = 16;

function resolveVerdict(given: FitOptions['verdict'], heldOut: number): Required<VerdictOptions> | undefined {
  const asked = given ?? (heldOut < fewestForVerdict ? false : {});
  if (asked === false) return undefined;
  check.knownOptions('fit: verdict', asked, ['samples', 'step']);
  if (heldOut < 2)
    throw check.optionInvalid('fit: verdict', JSON.stringify(asked), 'false with fewer than 2 held-out tasks');
  return Object.freeze({
    samples: check.wholeNumber('fit: verdict.samples', asked.samples ?? 4),
    step: check.oneOf('fit: verdict.step', asked.step ?? 'best', ['best', 'last']),
  });
}
