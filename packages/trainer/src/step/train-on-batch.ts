import {
  penalizeDivergence,
  policyDrift,
  splitMinibatches,
  TrainerError,
  type AdamParameters,
  type LightningBatch,
  type PolicyDrift,
  type TrainablePolicy,
} from '@agent-lightning/core';
import type { Grpo } from '../grpo.ts';
import type { OffPolicyMetrics } from '../metrics.ts';

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
  /** Called before each optimizer step. */
  readonly beforeUpdate: () => void;
}

/**
 * One optimizer step for each minibatch of the batch.
 * @throws {TrainerError} `numerics` when loss or gradient is not a finite number; the caller restores the last good weights
 */
export async function trainOnBatch(batch: LightningBatch, options: TrainOnBatchOptions): Promise<TrainOutcome> {
  const { algorithm, policy } = options;
  const adam = warmedUp(algorithm, options.step);
  const { klBase, ...pulled } = await pullToBase(batch, options);
  const passes: Pass[] = [];
  for (const minibatch of splitMinibatches({ ...batch, ...pulled }, algorithm.minibatches, options.random)) {
    const result = await policy.forwardBackward(minibatch.rows, algorithm.loss);
    requireFinite('the loss', result.loss, options.step);
    const drift = policyDrift(minibatch.rows, result.logprobs, algorithm.loss);
    options.beforeUpdate();
    const { gradientNorm } = await policy.optimStep(adam);
    if (gradientNorm !== undefined) requireFinite('the gradient norm', gradientNorm, options.step);
    passes.push({ drift, gradientNorm, loss: result.loss, entropy: result.entropy });
  }
  return { ...summarise(passes), learningRate: adam.learningRate, ...(klBase === undefined ? {} : { klBase }) };
}

interface Pass {
  readonly drift: PolicyDrift;
  readonly gradientNorm: number | undefined;
  readonly loss: number;
  readonly entropy: number | undefined;
}

/** The rows with the penalty on the divergence from the base model, when the algorithm has one. */
async function pullToBase(
  batch: LightningBatch,
  { algorithm, policy }: TrainOnBatchOptions,
): Promise<{ rows: LightningBatch['rows']; klBase?: number }> {
  if (algorithm.klCoefficient === 0 || batch.rows.length === 0) return { rows: batch.rows };
  const { rows, meanDivergence } = penalizeDivergence(
    batch.rows,
    await policy.forwardBase(batch.rows),
    algorithm.klCoefficient,
  );
  return { rows, klBase: meanDivergence };
}

function summarise(passes: readonly Pass[]): Omit<TrainOutcome, 'learningRate' | 'klBase'> {
  const tokensTrained = passes.reduce((sum, pass) => sum + pass.drift.trainedTokens, 0);
  const [first] = passes;
  if (first === undefined) return { optimizerSteps: 0, tokensTrained };
  const meanOverTokens = (valueOf: (pass: Pass) => number): number =>
    passes.reduce((sum, pass) => sum + valueOf(pass) * pass.drift.trainedTokens, 0) / tokensTrained;
  return {
    optimizerSteps: passes.length,
    tokensTrained,
    loss: passes.reduce((sum, pass) => sum + pass.loss, 0) / passes.length,
    ...(first.entropy === undefined ? {} : { entropy: meanOverTokens((pass) => pass.entropy ?? 0) }),
    ...(first.gradientNorm === undefined
      ? {}
      : { gradientNorm: Math.max(...passes.map((pass) => pass.gradientNorm ?? 0)) }),
    offPolicy: {
      ratioMean: meanOverTokens((pass) => pass.drift.meanRatio),
      ratioMax: Math.max(...passes.map((pass) => pass.drift.maxRatio)),
      clipFraction: meanOverTokens((pass) => pass.drift.clipFraction),
      klSamplerTrainer: first.drift.klK3,
    },
  };
}

function requireFinite(what: string, value: number, step: number): void {
  if (Number.isFinite(value)) return;
  throw new TrainerError(
    `${what} of step ${step} is ${value}; lower the learning rate or look at the step's rewards and log-probabilities`,
    { code: 'numerics' },
  );
}

/** Linear warm-up: the learning rate reaches its value at step `warmupSteps` + 1. */
function warmedUp({ adam, warmupSteps }: Grpo, step: number): AdamParameters & { readonly learningRate: number } {
  return { ...adam, learningRate: adam.learningRate * Math.min(1, step / (warmupSteps + 1)) };
}
