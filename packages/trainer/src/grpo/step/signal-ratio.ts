/**
 * Tells signal from noise: the first optimizer step over a batch is taken on half of its groups, and ρ, the signal ratio, is what the step
 * gained on the other half as a share of what it gained on its own. With rewards that say something about the policy, ρ is 0.2 to 0.9;
 * with shuffled rewards it goes to 0, and a policy would walk at random, further with a larger step.
 */

/**
 * Share of the past in the running mean, and the value and weight that it starts with: rewards are noise until the first ratios say otherwise.
 * A start in good faith lets a policy that learns from noise walk for six steps at full length.
 */
const decay = 0.9;
const firstMean = 0;
const firstWeight = 2;
/** ρ from which a target stays as it is, and the smallest factor by which it is made smaller. */
const trustedRatio = 0.25;
const smallestGate = 0.05;

/** A running mean of ρ. */
export interface RollingSignal {
  readonly mean: number;
  readonly weight: number;
}

/** The mean before anything was measured. */
export const rollingSignal: RollingSignal = { mean: firstMean, weight: firstWeight };

/** The gain of a step on each half of a batch: by how much the objective fell. */
export interface HalfGains {
  /** On the half that the step was taken on. */
  readonly seen: number;
  readonly unseen: number;
}

/**
 * Returns ρ of one step, within ±1, or undefined where the step did not help even on its own half, as when the optimizer's
 * momentum outweighs a small gradient: such a step says nothing.
 */
export function signalRatio({ seen, unseen }: HalfGains): number | undefined {
  return seen > 0 ? Math.min(Math.max(unseen / seen, -1), 1) : undefined;
}

/** Returns the running mean with one more ratio in it. */
export function addSignal({ mean, weight }: RollingSignal, ratio: number): RollingSignal {
  const next = decay * weight + 1;
  return { mean: (decay * weight * mean + ratio) / next, weight: next };
}

/**
 * Returns the factor by which the target of a movement is made smaller. A movement is a squared distance, so the distance that a policy
 * goes shrinks in proportion to the ratio. Where no ratio could be measured yet, as of batches of one group, nothing is made smaller.
 */
export function gateOf({ mean, weight }: RollingSignal): number {
  if (weight <= firstWeight) return 1;
  const share = Math.min(Math.max(mean / trustedRatio, 0), 1);
  return Math.max(share ** 2, smallestGate);
}
