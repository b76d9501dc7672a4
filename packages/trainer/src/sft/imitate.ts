import {
  seededRandom,
  splitMinibatches,
  TrainerError,
  type AdamParameters,
  type BatchSample,
  type Loss,
  type TrainablePolicy,
} from '@agent-lightning/core';
import type { TrainedPolicy } from '../grpo/policies/policy-set.ts';
import type { SftSettings } from './sft-options.ts';

const loss: Loss = { name: 'cross_entropy' };

/** One optimizer step. */
interface ImitationPass {
  /** −lp of the trained tokens before the step, summed, in nats. */
  readonly surprise: number;
  readonly tokens: number;
  /** The norm before clipping, where the backend reports it. */
  readonly gradientNorm: number | undefined;
}

/** The optimizer steps of one policy. */
export interface Imitation {
  readonly name: string;
  readonly passes: readonly ImitationPass[];
  readonly learningRate: number;
}

/** The things that the optimizer steps of a training step need. */
export interface ImitateOptions {
  readonly settings: Pick<SftSettings, 'passes' | 'minibatches' | 'adam' | 'warmupSteps' | 'tokenWeighting'>;
  /** The number of the step, from 1. */
  readonly step: number;
  readonly seed: number;
  /** Called before anything that changes the weights is asked for. */
  readonly beforeUpdate: () => void;
}

/** Trains every policy on its own samples, all at once; ends when all have ended, with the first error if there is one. */
export async function imitate(
  policies: readonly (TrainedPolicy & { readonly learningRate: number })[],
  samples: readonly BatchSample[],
  options: ImitateOptions,
): Promise<readonly Imitation[]> {
  const results = await Promise.allSettled(
    policies.map((policy) =>
      imitateWith(
        policy,
        samples.filter((sample) => sample.policy === policy.name),
        options,
      ),
    ),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}

/**
 * Takes one optimizer step for each minibatch of each pass. All calls are made before the first result is awaited, so that the backend never
 * waits for this process.
 * @throws {TrainerError} `numerics` when loss or gradient is not a finite number; whatever the backend threw
 */
async function imitateWith(
  { name, policy, learningRate: rate }: TrainedPolicy & { readonly learningRate: number },
  samples: readonly BatchSample[],
  { settings, step, seed, beforeUpdate }: ImitateOptions,
): Promise<Imitation> {
  const { passes, minibatches, adam, warmupSteps, tokenWeighting } = settings;
  const learningRate = rate * Math.min(1, step / (warmupSteps + 1)); // linear, reached at step `warmupSteps` + 1
  const random = seededRandom(seed, `minibatches/${step}/${name}`);
  const batches = Array.from({ length: samples.length === 0 ? 0 : passes }, () =>
    minibatches === 1 ? [{ samples }] : splitMinibatches({ samples, tokenWeighting }, minibatches, random),
  ).flat();
  if (batches.length > 0) beforeUpdate();
  const submitted = batches.map((batch) => submit(policy, batch.samples, { ...adam, learningRate }));
  await Promise.all(submitted); // whatever comes, nothing is left running
  const done: ImitationPass[] = [];
  for (const [index, settled] of submitted.entries()) done.push(finish(await settled, batches[index]!.samples, step));
  return { name, passes: done, learningRate };
}

type Settled = readonly [
  PromiseSettledResult<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>>,
  PromiseSettledResult<Awaited<ReturnType<TrainablePolicy['optimStep']>>>,
];

function submit(policy: TrainablePolicy, samples: readonly BatchSample[], adam: AdamParameters): Promise<Settled> {
  return Promise.allSettled([policy.forwardBackward(samples, loss), policy.optimStep(adam)]);
}

function finish([pass, update]: Settled, samples: readonly BatchSample[], step: number): ImitationPass {
  if (pass.status === 'rejected') throw pass.reason;
  if (update.status === 'rejected') throw update.reason;
  requireFinite('the loss', pass.value.loss, step);
  const { gradientNorm } = update.value;
  if (gradientNorm !== undefined) requireFinite('the gradient norm', gradientNorm, step);
  let surprise = 0;
  let tokens = 0;
  for (const [index, { lossMask }] of samples.entries())
    for (const [t, mask] of lossMask.entries()) {
      if (mask === 0) continue;
      surprise -= pass.value.logprobs[index]![t]!;
      tokens += 1;
    }
  return { surprise, tokens, gradientNorm };
}

function requireFinite(what: string, value: number, step: number): void {
  if (Number.isFinite(value)) return;
  throw new TrainerError(`${what} of step ${step} is ${value}; lower sft({ learningRate })`, { code: 'numerics' });
}
