import { splitMinibatches, type BatchSample } from '@agent-lightning/core';
import type { GrpoSettings } from '../grpo-options.ts';
import type { BuiltInLosses, Objective } from '../objective/objective.ts';
import { finishPass, submitPass, type Pass, type PassedPolicy, type SubmittedPass } from './submit-pass.ts';
import type { UpdateBatch } from './train-on-batch.ts';

/** The things that every pass of a policy over a batch needs. */
export interface PassesOptions {
  readonly name: string;
  readonly policy: PassedPolicy;
  readonly settings: Pick<GrpoSettings, 'adam' | 'critic' | 'minibatches' | 'passes' | 'signalGate'>;
  readonly objective: Objective;
  /** The losses that the backend builds in. */
  readonly builtIn: BuiltInLosses;
  /** The number of the step, from 1. */
  readonly step: number;
  /** Returns uniform numbers in [0, 1), by which groups are dealt into minibatches and halves. */
  readonly random: () => number;
  /** Called before anything that changes the weights is asked for. */
  readonly beforeUpdate: () => void;
}

/**
 * The policy's log-probabilities of samples when they were first trained on, shape (T,), by the tokens of the sample: weighing samples anew
 * does not copy those.
 */
export type FirstLogprobs = ReadonlyMap<BatchSample['tokens'], Float32Array>;

/** The passes over a batch. */
export interface Passes {
  readonly passes: readonly Pass[];
  readonly firstLogprobs: FirstLogprobs;
  /** The rate of the last of them. */
  readonly learningRate: number;
  /** The times that the whole batch was passed over. */
  readonly passesOverBatch: number;
}

/**
 * Takes one optimizer step for each minibatch of a batch, as often as `passes` says, all at one learning rate. All calls are made before the
 * first result is awaited, so that the backend never waits for this process; numbers are checked when the results come.
 * @throws {TrainerError} `numerics` when loss or gradient is not a finite number; whatever the backend threw
 */
export async function takeFixedPasses(
  batch: UpdateBatch,
  { learningRate, ...options }: PassesOptions & { readonly learningRate: number },
): Promise<Passes> {
  const { settings, random, step } = options;
  const { critic } = settings;
  const adam = { ...settings.adam, learningRate };
  const rounds = Array.from({ length: settings.passes }, () => splitMinibatches(batch, settings.minibatches, random));
  const minibatches = rounds.flat();
  if (minibatches.length > 0) options.beforeUpdate();
  const submitted: SubmittedPass[] = [];
  try {
    for (const { samples } of minibatches) submitted.push(await submitPass(samples, { ...options, adam, critic }));
  } finally {
    await Promise.all(submitted.map(({ settled }) => settled)); // whatever comes, nothing is left running
  }
  const passes: Pass[] = [];
  const firstLogprobs = new Map<BatchSample['tokens'], Float32Array>();
  for (const each of submitted) {
    const { pass, logprobs } = await finishPass(each, step);
    passes.push(pass);
    for (const [index, { tokens }] of each.samples.entries())
      if (!firstLogprobs.has(tokens)) firstLogprobs.set(tokens, logprobs[index]!);
  }
  return { passes, firstLogprobs, learningRate, passesOverBatch: minibatches.length === 0 ? 0 : rounds.length };
}
