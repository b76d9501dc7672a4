import { BackendError } from '../errors.ts';
import type { BatchSample, LightningBatch, SampleSegment } from './batch.ts';
import {
  estimateGeneralizedAdvantages,
  whiten,
  type GeneralizedAdvantageOptions,
  type GeneralizedAdvantages,
} from './generalized-advantages.ts';

/** A batch whose advantages come from a critic, and how well the critic knew it. */
export interface CriticBatch {
  /** Each sample has `valueTargets`. */
  readonly batch: LightningBatch;
  /**
   * 1 − Var(G − V) / Var(G) over the batch's tokens, with G what was earned after a token, discounted: 1 for a critic that knows it,
   * 0 for one that knows the mean alone. Undefined where every token earned the same.
   */
  readonly explainedVariance: number | undefined;
}

/** The share of a reward's scale below which a spread of advantages is noise, and is not blown up. */
const noiseShare = 0.01;

/** A call's response in the sample that trains it. */
interface PlacedCall {
  readonly sample: number;
  readonly segment: SampleSegment;
}

/**
 * Gives every token of a batch of the estimator `gae` its advantage and the critic its targets. The tokens of a rollout's calls, in the
 * order of the calls, are one sequence, whatever samples they are in; what a call earned (`batch.returns`, by the credit `perStep`) is
 * earned at its last token. Advantages are whitened over all tokens of the batch.
 * @param values for each sample, shape (T,), as a policy's `values` gives them
 * @returns the batch; the one that is given is not changed
 * @throws {BackendError} `samples-invalid` when the values are not those of the samples, `numerics` when one is not finite
 */
export function applyCritic(
  batch: LightningBatch,
  values: readonly ArrayLike<number>[],
  options: GeneralizedAdvantageOptions,
): CriticBatch {
  checkValues(batch.samples, values);
  const rollouts = [...placeCalls(batch.samples)].map(([rolloutId, calls]) => {
    const rewards = batch.returns.get(rolloutId)!;
    const tokens = joinTokens(calls, rewards, values);
    const estimated = estimateGeneralizedAdvantages(tokens, options);
    const { targets: earned } = estimateGeneralizedAdvantages(tokens, { ...options, lambda: 1 });
    return { rolloutId, calls, rewards, values: tokens.values, estimated, earned };
  });
  const floor = noiseShare * rewardScale(rollouts.map(({ rewards }) => rewards));
  const whitened = whiten(join(rollouts.map(({ estimated }) => estimated.advantages)), floor);
  const samples = batch.samples.map(blank);
  const advantages = new Map<string, Float64Array>();
  let first = 0;
  for (const { rolloutId, calls, rewards, estimated } of rollouts) {
    const own = whitened.subarray(first, (first += estimated.targets.length));
    advantages.set(rolloutId, writeCalls(samples, calls, { ...estimated, advantages: own }, rewards.length));
  }
  const earned = join(rollouts.map((rollout) => rollout.earned));
  const known = join(rollouts.map((rollout) => rollout.values));
  return {
    batch: { ...batch, samples: samples.map(weigh), advantages },
    explainedVariance: explainedVariance(earned, known),
  };
}

/** Lists the calls of each rollout, in their order, with the sample that trains each. */
function placeCalls(samples: readonly BatchSample[]): ReadonlyMap<string, readonly PlacedCall[]> {
  const placed = samples.flatMap(({ rolloutId, segments }, sample) =>
    segments.map((segment) => ({ rolloutId, sample, segment })),
  );
  const ordered = placed.toSorted((a, b) => a.segment.callIndex - b.segment.callIndex);
  return Map.groupBy(ordered, ({ rolloutId }) => rolloutId);
}

/** Puts the responses of a rollout end to end, with the reward of each call at its last token. */
function joinTokens(
  calls: readonly PlacedCall[],
  earned: Float64Array,
  values: readonly ArrayLike<number>[],
): { readonly rewards: Float64Array; readonly values: Float64Array; readonly mask: Uint8Array } {
  const length = calls.reduce((sum, { segment }) => sum + segment.end - segment.start, 0);
  const joined = { rewards: new Float64Array(length), values: new Float64Array(length) };
  let at = 0;
  for (const { sample, segment } of calls) {
    for (let t = segment.start; t < segment.end; t += 1) joined.values[at++] = values[sample]![t]!;
    joined.rewards[at - 1] = earned[segment.callIndex]!;
  }
  return { ...joined, mask: new Uint8Array(length).fill(1) };
}

/** Writes a rollout's numbers into its samples, and returns the mean advantage of each of its K calls. */
function writeCalls(
  samples: readonly ReturnType<typeof blank>[],
  calls: readonly PlacedCall[],
  { advantages, targets }: GeneralizedAdvantages,
  callCount: number,
): Float64Array {
  const means = new Float64Array(callCount);
  let at = 0;
  for (const { sample, segment } of calls) {
    const { start, end, callIndex } = segment;
    const own = advantages.subarray(at, at + end - start);
    const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
    means[callIndex] = mean;
    samples[sample]!.tokenAdvantages.set(own, start);
    samples[sample]!.valueTargets.set(targets.subarray(at, at + end - start), start);
    samples[sample]!.segments.push({ ...segment, advantage: mean });
    at += end - start;
  }
  return means;
}

/** Returns a copy of a sample without numbers of its tokens, which are written afterwards. */
function blank(sample: BatchSample): BatchSample & {
  readonly segments: SampleSegment[];
  readonly valueTargets: Float32Array;
} {
  const { length } = sample.tokens;
  return {
    ...sample,
    segments: [],
    tokenAdvantages: new Float64Array(length),
    valueTargets: new Float32Array(length),
  };
}

function weigh(sample: BatchSample): BatchSample {
  const { tokenAdvantages, tokenWeight } = sample;
  return { ...sample, advantages: Float32Array.from(tokenAdvantages, (advantage) => advantage * tokenWeight) };
}

/** Returns the range of what calls earned, and at least 1. */
function rewardScale(rewards: readonly Float64Array[]): number {
  const all = join(rewards);
  const [lowest, highest] = [
    all.reduce((a, b) => Math.min(a, b), Infinity),
    all.reduce((a, b) => Math.max(a, b), -Infinity),
  ];
  return Math.max(1, highest - lowest);
}

function explainedVariance(earned: Float64Array, known: Float64Array): number | undefined {
  const whole = varianceOf(earned);
  return whole > 0 ? 1 - varianceOf(earned.map((value, t) => value - known[t]!)) / whole : undefined;
}

function varianceOf(numbers: Float64Array): number {
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  return numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0) / numbers.length;
}

function join(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function checkValues(samples: readonly BatchSample[], values: readonly ArrayLike<number>[]): void {
  for (const [index, { tokens, lossMask }] of samples.entries()) {
    const own = values[index];
    if (own?.length !== tokens.length)
      throw new BackendError(`sample ${index} of ${tokens.length} tokens has ${own?.length ?? 'no'} values`, {
        code: 'samples-invalid',
      });
    const bad = tokens.findIndex((_, t) => lossMask[t] !== 0 && !Number.isFinite(own[t]));
    if (bad >= 0)
      throw new BackendError(
        `the value before token ${bad} of sample ${index} is ${own[bad]}; the critic has diverged`,
        {
          code: 'numerics',
        },
      );
  }
}
