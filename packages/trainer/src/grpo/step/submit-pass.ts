import type { CriticSettings } from '../critic-options.ts';
import { builtInLoss, objectiveAndDerivative, type BuiltInLosses, type Objective } from '../objective/objective.ts';
import { policyDrift, type PolicyDrift } from '../objective/policy-drift.ts';
import {
  toSurrogateSample,
  TrainerError,
  type AdamParameters,
  type BatchSample,
  type TrainablePolicy,
} from '@agent-lightning/core';

/** The result of one forward-backward pass and its optimizer step. */
export interface Pass {
  readonly drift: PolicyDrift;
  readonly clippedTokens: number;
  readonly loss: number;
  /** The loss of the critic; undefined without one. */
  readonly valueLoss: number | undefined;
  /** The entropy in nats, where the backend computes it. */
  readonly entropy: number | undefined;
  /** The norm before clipping, where the backend reports it. */
  readonly gradientNorm: number | undefined;
}

/** Samples that have the objective's gradient under `cross_entropy`, and the value of the objective. */
interface Surrogate {
  readonly samples: readonly BatchSample[];
  readonly loss: number;
  readonly clippedTokens: number;
}

/** A pass whose calls have all been made. `settled` never rejects; it is read by {@link finishPass}. */
export interface SubmittedPass {
  readonly samples: readonly BatchSample[];
  readonly objective: Objective;
  /** The value of the objective, where it was computed here and its derivative was sent to the backend. */
  readonly computed: Surrogate | undefined;
  readonly settled: Promise<
    readonly [
      PromiseSettledResult<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>>,
      PromiseSettledResult<Awaited<ReturnType<TrainablePolicy['optimStep']>>>,
    ]
  >;
}

/** The calls of a policy that a pass makes. */
export type PassedPolicy = Pick<TrainablePolicy, 'forward' | 'forwardBackward' | 'optimStep'>;

export interface SubmitPassOptions {
  readonly policy: PassedPolicy;
  readonly objective: Objective;
  /** The losses that the backend builds in. */
  readonly builtIn: BuiltInLosses;
  readonly adam: AdamParameters;
  /** Undefined where no critic learns; else every sample has its targets. */
  readonly critic: CriticSettings | undefined;
  /** The log-probabilities of the samples by the weights as they are, shape (T,) each, where they are known; else they are asked for when needed. */
  readonly logprobs?: readonly Float32Array[];
}

/** A pass, and what it knows of each token. */
export interface FinishedPass {
  readonly pass: Pass;
  /** The log-probabilities before the optimizer step, shape (T,) for each sample. */
  readonly logprobs: readonly Float32Array[];
  /** False when no token had a gradient, as when the loss clips them all. */
  readonly hasSlope: boolean;
}

/**
 * Makes the calls of one optimizer step back to back: a policy's calls take effect in the order in which they are made, so
 * the second need not wait for the first. Resolves when they are made; only a loss that the backend lacks asks for
 * log-probabilities first.
 */
export async function submitPass(samples: readonly BatchSample[], options: SubmitPassOptions): Promise<SubmittedPass> {
  const { policy, objective, adam, critic } = options;
  const loss = builtInLoss(objective, options.builtIn);
  const surrogate =
    loss === undefined
      ? toSurrogate(samples, options.logprobs ?? (await policy.forward(samples)), objective)
      : undefined;
  const valueLoss = critic && toValueLoss(samples, critic);
  const pass = policy.forwardBackward(surrogate?.samples ?? samples, loss ?? { name: 'cross_entropy' }, valueLoss);
  const step = policy.optimStep(adam, critic?.learningRate);
  return { samples, objective, computed: surrogate, settled: Promise.allSettled([pass, step]) };
}

/**
 * Waits for a pass and checks its numbers.
 * @throws {TrainerError} `numerics` when loss or gradient norm is not finite; whatever the backend threw
 */
export async function finishPass(
  { samples, objective, computed, settled }: SubmittedPass,
  step: number,
): Promise<FinishedPass> {
  const [pass, update] = await settled;
  const { loss, logprobs, entropy, valueLoss } = valueOf(pass);
  requireFinite('the loss', computed?.loss ?? loss, step);
  if (valueLoss !== undefined) requireFinite("the critic's loss", valueLoss, step);
  const drift = policyDrift(samples, logprobs);
  const { gradientNorm } = valueOf(update);
  if (gradientNorm !== undefined) requireFinite('the gradient norm', gradientNorm, step);
  const surrogate = computed ?? toSurrogate(samples, logprobs, objective);
  return {
    pass: {
      drift,
      clippedTokens: surrogate.clippedTokens,
      loss: computed?.loss ?? loss,
      valueLoss,
      entropy,
      gradientNorm,
    },
    logprobs,
    hasSlope: surrogate.samples.some(({ advantages }) => advantages.some((slope) => slope !== 0)),
  };
}

/** Returns the loss of the critic, in which a token weighs as much as in the policy's. */
function toValueLoss(
  samples: readonly BatchSample[],
  { trunkWeight }: CriticSettings,
): NonNullable<Parameters<TrainablePolicy['forwardBackward']>[2]> {
  return {
    targets: samples.map(({ valueTargets }) => valueTargets!),
    weights: samples.map(({ tokens, tokenWeight }) => new Float32Array(tokens.length).fill(tokenWeight)),
    trunkWeight,
  };
}

function toSurrogate(
  samples: readonly BatchSample[],
  logprobs: readonly Float32Array[],
  objective: Objective,
): Surrogate {
  const values = samples.map((sample, index) => objectiveAndDerivative(sample, logprobs[index]!, objective));
  return {
    samples: samples.map((sample, index) => toSurrogateSample(sample, values[index]!.derivative)),
    loss: values.reduce((sum, { loss }) => sum + loss, 0),
    clippedTokens: values.reduce((sum, value) => sum + value.clippedTokens, 0),
  };
}

function valueOf<Value>(result: PromiseSettledResult<Value>): Value {
  if (result.status === 'rejected') throw result.reason;
  return result.value;
}

function requireFinite(what: string, value: number, step: number): void {
  if (Number.isFinite(value)) return;
  throw new TrainerError(
    `${what} of step ${step} is ${value}; lower the learning rate or look at the step's rewards and log-probabilities`,
    { code: 'numerics' },
  );
}
