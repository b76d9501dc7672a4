import { splitMinibatches, TrainerError, type AdamParameters, type LightningBatch, type Minibatch, type TrainablePolicy } from '@agent-lightning/core';
import type { Grpo } from '../grpo.ts';
import type { OffPolicyMetrics } from '../metrics.ts';
import { penaliseKl } from './kl-penalty.ts';
import { OffPolicyMeter } from './off-policy.ts';

export interface TrainOutcome {
  readonly optimizerSteps: number;
  readonly tokensTrained: number;
  readonly learningRate: number;
  readonly loss?: number;
  readonly entropy?: number;
  readonly gradientNorm?: number;
  readonly klBase?: number;
  readonly offPolicy?: OffPolicyMetrics;
}

export interface TrainOnBatchOptions {
  readonly policy: TrainablePolicy;
  readonly algorithm: Grpo;
  /** From 1; for warm-up. */
  readonly step: number;
  /** Uniform in [0, 1): deals groups into minibatches. */
  readonly random: () => number;
}

/**
 * One optimizer step for each minibatch of the batch.
 * @throws {TrainerError} `numerics` when loss or gradient is not a finite number; the caller restores the last good weights
 */
export async function trainOnBatch(batch: LightningBatch, options: TrainOnBatchOptions): Promise<TrainOutcome> {
  const adam = warmedUp(options.algorithm, options.step);
  const minibatches = splitMinibatches(batch, options.algorithm.minibatches, options.random);
  const meter = new OffPolicyMeter(options.algorithm.loss);
  const passes: Pass[] = [];
  for (const minibatch of minibatches) passes.push(await trainOnMinibatch(minibatch, adam, meter, options));
  const offPolicy = meter.summary();
  const tokensTrained = passes.reduce((sum, pass) => sum + pass.tokens, 0);
  return {
    optimizerSteps: passes.length,
    tokensTrained,
    learningRate: adam.learningRate,
    ...optional('loss', meanOver(passes, (pass) => pass.loss, () => 1)),
    ...optional('entropy', meanOver(passes, (pass) => pass.entropy, (pass) => pass.tokens)),
    ...optional('klBase', meanOver(passes, (pass) => pass.klBase, (pass) => pass.tokens)),
    ...optional('gradientNorm', passes.length === 0 ? undefined : Math.max(...passes.map((pass) => pass.gradientNorm))),
    ...(offPolicy === undefined ? {} : { offPolicy }),
  };
}

interface Pass {
  readonly loss: number;
  readonly tokens: number;
  readonly gradientNorm: number;
  readonly entropy: number | undefined;
  readonly klBase: number | undefined;
}

async function trainOnMinibatch(minibatch: Minibatch, adam: AdamParameters, meter: OffPolicyMeter, options: TrainOnBatchOptions): Promise<Pass> {
  const { policy, algorithm } = options;
  const penalised = algorithm.klCoefficient > 0
    ? penaliseKl(minibatch.rows, await policy.forwardBase(minibatch.rows), algorithm.klCoefficient)
    : { rows: minibatch.rows, klBase: undefined };
  const result = await policy.forwardBackward(penalised.rows, algorithm.loss);
  requireFinite('the loss', result.loss, options.step);
  meter.add(penalised.rows, result.logprobs);
  const { gradientNorm } = await policy.optimStep(adam);
  requireFinite('the gradient norm', gradientNorm, options.step);
  return { loss: result.loss, tokens: result.trainedTokens, gradientNorm, entropy: result.entropy, klBase: penalised.klBase };
}

function requireFinite(what: string, value: number, step: number): void {
  if (Number.isFinite(value)) return;
  throw new TrainerError(`${what} of step ${step} is ${value}; lower the learning rate or look at the step's rewards and log-probabilities`, { code: 'numerics' });
}

/** Linear warm-up: the learning rate reaches its value at step `warmupSteps` + 1. */
function warmedUp({ adam, warmupSteps }: Grpo, step: number): AdamParameters & { readonly learningRate: number } {
  return { ...adam, learningRate: adam.learningRate * Math.min(1, step / (warmupSteps + 1)) };
}

function meanOver(passes: readonly Pass[], valueOf: (pass: Pass) => number | undefined, weightOf: (pass: Pass) => number): number | undefined {
  let sum = 0;
  let weights = 0;
  for (const pass of passes) {
    const value = valueOf(pass);
    if (value === undefined) continue;
    sum += value * weightOf(pass);
    weights += weightOf(pass);
  }
  return weights === 0 ? undefined : sum / weights;
}

function optional<Name extends string>(name: Name, value: number | undefined): { readonly [Key in Name]?: number } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [Key in Name]?: number };
}
