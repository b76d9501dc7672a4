import {
  check,
  ConfigurationError,
  type Algorithm,
  type JsonValue,
  type Logger,
  type TrainingBackend,
} from '@agent-lightning/core';
import { grpo, Trainer, type FitOptions, type TrainerOptions } from '@agent-lightning/trainer';
import type { LightningConfig, TaskSource } from './define-config.ts';

/** The values of the command line that take the place of the config's. */
export interface Overrides {
  readonly algorithm?: string;
  readonly model?: string;
  readonly runners?: number;
  readonly seed?: number;
  readonly runDirectory?: string;
  readonly control?: 'none' | 'shuffled';
}

/** The things that a command opens a trainer with. */
export interface OpenTrainerOptions {
  readonly overrides: Overrides;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** False opens no backend, for what the agent's own models answer. */
  readonly hasBackend: boolean;
  readonly resumeHint?: TrainerOptions['resumeHint'];
}

/** A trainer and the backend that was opened for it. */
export interface OpenTrainer extends AsyncDisposable {
  readonly trainer: Trainer<JsonValue>;
  /** True where a backend was opened, so that a policy answers; else the agent's own models do. */
  readonly hasPolicy: boolean;
}

/** Tells whether the config names a backend. */
export function hasBackend({ backend }: LightningConfig<JsonValue>): boolean {
  return backend !== undefined;
}

/**
 * Makes the trainer of a config. Close it by `await using`.
 * @throws {ConfigurationError} `option-invalid`, also for a model where the algorithm has no backend that would take it
 */
export async function openTrainer(
  config: LightningConfig<JsonValue>,
  { overrides, logger, signal, hasBackend: wantsBackend, resumeHint }: OpenTrainerOptions,
): Promise<OpenTrainer> {
  const { backend: source, algorithm, ...given } = config;
  const chosen = chooseAlgorithm(algorithm, overrides.algorithm);
  if (wantsBackend && !chosen.uses.backend && overrides.model !== undefined)
    throw new ConfigurationError(
      `--model ${overrides.model}: the algorithm ${chosen.name} uses no backend, which would take it: the agent asks its own models; leave --model out`,
      { code: 'option-invalid' },
    );
  const backend = wantsBackend && chosen.uses.backend ? await openBackend(source, overrides.model) : undefined;
  const { runners, seed, runDirectory, control } = overrides;
  try {
    const trainer = new Trainer<JsonValue>({
      logger,
      ...(resumeHint && { resumeHint }),
      ...withoutFitOptions(given),
      ...(runners !== undefined && { runners }),
      ...(seed !== undefined && { seed }),
      ...(runDirectory !== undefined && { runDirectory }),
      ...(control !== undefined && { control }),
      ...(backend && { backend }),
      algorithm: chosen,
      signal,
      handleSignals: false,
    });
    return { trainer, hasPolicy: backend !== undefined, [Symbol.asyncDispose]: async () => await backend?.close() };
  } catch (error) {
    await backend?.close();
    throw error;
  }
}

const fitNames = {
  train: true,
  validation: true,
  steps: true,
  epochs: true,
  validationEvery: true,
  validationSubset: true,
  verdict: true,
} as const;

/** Returns the options of a config that are the trainer's. */
function withoutFitOptions<Given extends object>(given: Given): Omit<Given, keyof typeof fitNames> {
  return Object.fromEntries(Object.entries(given).filter(([name]) => !(name in fitNames))) as Given;
}

/** Returns the options of `fit` that a config has, and its tasks. */
export async function readFitOptions(config: LightningConfig<JsonValue>): Promise<FitOptions<JsonValue>> {
  const { steps, epochs, validationEvery, validationSubset, verdict } = config;
  return {
    train: await readSource('train', config.train),
    validation: await readSource('validation', config.validation ?? []),
    ...(steps !== undefined && { steps }),
    ...(epochs !== undefined && { epochs }),
    ...(validationEvery !== undefined && { validationEvery }),
    ...(validationSubset !== undefined && { validationSubset }),
    ...(verdict !== undefined && { verdict }),
  };
}

/** Reads tasks where they are needed. @throws {ConfigurationError} `option-invalid` for anything but an array */
export async function readSource(name: string, source: TaskSource<JsonValue>): Promise<readonly JsonValue[]> {
  const tasks = typeof source === 'function' ? await source() : source;
  if (!Array.isArray(tasks))
    throw check.optionInvalid(`config: ${name}`, tasks, 'an array of tasks, or a function that returns one');
  return tasks as readonly JsonValue[];
}

function chooseAlgorithm(given: LightningConfig['algorithm'], name: string | undefined): Algorithm {
  const known: Readonly<Record<string, Algorithm>> =
    given === undefined ? { grpo: grpo() } : isAlgorithm(given) ? { [given.name]: given } : given;
  const names = Object.keys(known);
  const wanted = name ?? names[0] ?? '';
  if (Object.hasOwn(known, wanted)) return known[wanted]!;
  throw check.optionInvalid('--algorithm', name, `one that the config has: ${names.join(', ') || 'none'}`);
}

function isAlgorithm(given: Algorithm | Readonly<Record<string, Algorithm>>): given is Algorithm {
  return typeof given['begin'] === 'function';
}

async function openBackend(
  source: LightningConfig['backend'],
  model: string | undefined,
): Promise<TrainingBackend | undefined> {
  if (typeof source === 'function') return await source({ model });
  if (model === undefined) return source;
  throw new ConfigurationError(
    `--model ${model}: the backend of the config is ${source === undefined ? 'not given' : 'a value, whose model is fixed'}; give a function that opens it, such as backend: ({ model }) => embedded({ model: model ?? 'smollm2' })`,
    { code: 'option-invalid' },
  );
}
