import type { Loss, TrainingSample } from '../contracts/training-backend.ts';
import { BackendError, ConfigurationError } from '../errors.ts';

/** A loss and its derivative by each log-probability. */
export interface LossAndDerivative {
  /** The sum over tokens with `lossMask` 1, in float64. */
  readonly loss: number;
  /** Shape (T,): ∂loss/∂logprobs[t]; 0 where `lossMask` is 0. */
  readonly derivative: Float64Array;
}

/**
 * Computes a loss of the backend contract and its analytic derivative; this is the reference for every backend. Each backend must agree with it, and
 * a backend without a loss can be given the derivative instead: {@link toSurrogateSample}.
 * @param logprobs shape (T,), nats: the policy's log-probabilities now; read where `lossMask` is 1
 * @throws {BackendError} `samples-invalid` for another length, `numerics` for a log-probability that is not finite
 * @throws {ConfigurationError} `option-invalid` for clip bounds that are no interval
 */
export function lossAndDerivative(sample: TrainingSample, logprobs: ArrayLike<number>, loss: Loss): LossAndDerivative {
  checkLogprobs(sample, logprobs);
  const term = termOf(loss);
  const derivative = new Float64Array(sample.tokens.length);
  let sum = 0;
  for (let t = 0; t < sample.tokens.length; t += 1) {
    if (sample.lossMask[t] === 0) continue;
    const { value, slope } = term(logprobs[t]!, sample.logprobs[t]!, sample.advantages[t]!);
    sum += value;
    derivative[t] = slope;
  }
  return { loss: sum, derivative };
}

/**
 * Makes a sample that under `cross_entropy` has the gradient of any loss: cross entropy is −Σ w·lp, so w = −∂loss/∂lp. Exact as long as
 * nothing random separates the forward pass that gave the derivative from the backward pass.
 * @param derivative shape (T,)
 */
export function toSurrogateSample<Sample extends TrainingSample>(
  sample: Sample,
  derivative: ArrayLike<number>,
): Sample {
  checkLogprobs(sample, derivative);
  return {
    ...sample,
    advantages: Float32Array.from(sample.tokens, (_, t) => (sample.lossMask[t] === 0 ? 0 : -derivative[t]!)),
  };
}

/** Bounds |lp − q|, in nats: one token of which policy and sampler disagree beyond measure must not decide a step. @source verl */
const largestLogRatio = 20;

/** One token's part of a loss and its derivative with respect to lp. */
interface Term {
  readonly value: number;
  readonly slope: number;
}

/** Returns the function from lp now, q at sampling time and A to one token's term, as {@link Loss} defines each loss. */
function termOf(loss: Loss): (lp: number, q: number, advantage: number) => Term {
  if (loss.name === 'cross_entropy') return (lp, _q, advantage) => ({ value: -advantage * lp, slope: -advantage });
  if (loss.name === 'importance_sampling') {
    return (lp, q, advantage) => {
      const gain = ratioOf(lp, q) * advantage;
      return { value: -gain, slope: -gain * slopeOfRatio(lp, q) };
    };
  }
  const clip = clipOf(loss);
  if (loss.name === 'cispo') {
    return (lp, q, advantage) => {
      const ratio = clip(ratioOf(lp, q)); // no gradient flows through it
      return { value: -ratio * lp * advantage, slope: -ratio * advantage };
    };
  }
  const dualClip = dualClipOf(loss);
  return (lp, q, advantage) => {
    const ratio = ratioOf(lp, q);
    const isBeyond = advantage < 0 && Math.max(ratio, clip(ratio)) > dualClip;
    if (isBeyond) return { value: -dualClip * advantage, slope: 0 };
    const gain = ratio * advantage;
    const clipped = clip(ratio) * advantage;
    return clipped < gain ? { value: -clipped, slope: 0 } : { value: -gain, slope: -gain * slopeOfRatio(lp, q) };
  };
}

/** Returns r of {@link Loss}: a log-ratio beyond ±20 nats counts as ±20. */
function ratioOf(lp: number, q: number): number {
  return Math.exp(Math.min(Math.max(lp - q, -largestLogRatio), largestLogRatio));
}

/** Returns d log r / d lp: 1, and 0 where the log-ratio is beyond its bound. */
function slopeOfRatio(lp: number, q: number): 0 | 1 {
  return Math.abs(lp - q) > largestLogRatio ? 0 : 1;
}

/** Returns the ratio up to which a token with a negative advantage counts; Infinity where there is none. */
function dualClipOf({ dualClip = Infinity }: { readonly dualClip?: number }): number {
  if (dualClip > 1) return dualClip;
  throw new ConfigurationError(`ppo has dualClip ${dualClip}; give an absolute ratio above 1, such as 3`, {
    code: 'option-invalid',
  });
}

function clipOf(loss: {
  readonly name: string;
  readonly clipLow: number;
  readonly clipHigh: number;
}): (ratio: number) => number {
  const { clipLow, clipHigh } = loss;
  if (!(clipLow >= 0 && clipHigh >= clipLow && clipHigh < Infinity)) {
    throw new ConfigurationError(
      `${loss.name} has the clip bounds ${clipLow} and ${clipHigh}; give absolute ratios such as 0.8 and 1.2, the lower first`,
      { code: 'option-invalid' },
    );
  }
  return (ratio) => Math.min(Math.max(ratio, clipLow), clipHigh);
}

/** Checks that a sample has one finite value for each trained token. @throws {BackendError} `samples-invalid` for another length than the sample's, `numerics` for a trained token without a finite number */
export function checkLogprobs(sample: TrainingSample, values: ArrayLike<number>): void {
  if (values.length !== sample.tokens.length) {
    throw new BackendError(
      `a sample of ${sample.tokens.length} tokens was given ${values.length} values; give one for each token`,
      { code: 'samples-invalid' },
    );
  }
  for (let t = 0; t < values.length; t += 1) {
    if (sample.lossMask[t] !== 0 && !Number.isFinite(values[t])) {
      throw new BackendError(`value ${t} of a sample is ${values[t]}; trained tokens need finite numbers`, {
        code: 'numerics',
      });
    }
  }
}
