import { createHash } from 'node:crypto';
import { check, type JsonValue } from '@agent-lightning/core';

/** The tasks to train on, and the length of the training. */
export interface FitOptions<Task = JsonValue> {
  /** The tasks to train on, at least one; every task must be JSON. */
  readonly train: readonly Task[];
  /** Held-out tasks, run greedily where a policy answers. @default none */
  readonly validation?: readonly Task[];
  /** Training steps. Give this or `epochs`. @default one epoch */
  readonly steps?: number;
  /** Passes over `train`. */
  readonly epochs?: number;
  /** The number of steps between validations during training; 0 validates only before training and at the end. @default 0 */
  readonly validationEvery?: number;
  /** The number of validation tasks to run during training; the first and the last validation run all. @default all */
  readonly validationSubset?: number;
  /** Go on with the run in the run directory. @default false */
  readonly resume?: boolean;
}

export interface ResolvedFitOptions<Task = JsonValue> {
  readonly train: readonly Task[];
  readonly validation: readonly Task[];
  readonly steps: number;
  readonly validationEvery: number;
  readonly validationSubset: number;
  readonly resume: boolean;
  /** A digest that tells one data set from another: the first 16 hex digits of a SHA-256. */
  readonly trainDigest: string;
  readonly validationDigest: string;
}

/** Checks the options of `fit` and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveFitOptions<Task>(options: FitOptions<Task>, tasksPerStep: number): ResolvedFitOptions<Task> {
  const { train, validation = [] } = options;
  if (!Array.isArray(train) || train.length === 0)
    throw check.optionInvalid('fit: train', JSON.stringify(train), 'an array of at least one task');
  if (!Array.isArray(validation)) throw check.optionInvalid('fit: validation', typeof validation, 'an array of tasks');
  if (options.steps !== undefined && options.epochs !== undefined)
    throw check.optionInvalid('fit: steps and epochs', `${options.steps} and ${options.epochs}`, 'given one at a time');
  const epochs = check.wholeNumber('fit: epochs', options.epochs ?? 1);
  const subset = options.validationSubset ?? validation.length;
  return Object.freeze({
    train,
    validation,
    steps:
      options.steps === undefined
        ? Math.ceil((train.length * epochs) / tasksPerStep)
        : check.wholeNumber('fit: steps', options.steps),
    validationEvery: check.wholeNumber('fit: validationEvery', options.validationEvery ?? 0, 0),
    validationSubset:
      validation.length === 0 ? 0 : check.wholeNumber('fit: validationSubset', subset, 1, validation.length),
    resume: options.resume ?? false,
    trainDigest: digestTasks('train', train),
    validationDigest: digestTasks('validation', validation),
  });
}

function digestTasks(name: string, tasks: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const [index, task] of tasks.entries()) {
    const json: string | undefined = JSON.stringify(task);
    if (json === undefined) throw check.optionInvalid(`fit: ${name}[${index}]`, task, 'JSON');
    hash.update(json).update('\n');
  }
  return hash.digest('hex').slice(0, 16);
}
