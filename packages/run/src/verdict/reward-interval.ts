/**
 * Intervals of mean rewards over tasks: Student's t over the tasks, and one task more that nobody ran.
 *
 * Half of that task is won by the full range of the rewards, and half is lost. The plain t-interval has a width of 0 where all tasks
 * agree, and is too narrow where few of them differ; this one is not, and for many tasks both are the same.
 *
 *     n      tasks
 *     x_i    value of task i: its mean reward, or the difference of two mean rewards
 *     a, b   the lowest and the highest value that a task can have
 *     m      (Σ x_i + (a + b)/2) / (n + 1)
 *     s²     (Σ (x_i − m)² + (a − m)²/2 + (b − m)²/2) / n
 *     e      s / √(n + 1), the standard error
 *
 * The interval is m ± t(0.975; n) · e: each end is wrong in at most 2.5 % of all comparisons.
 * @source Agresti and Min, Statistics in Medicine 24 (2005) 729–740: half a success and half a failure, for matched pairs
 */
import { studentQuantile } from './student-t.ts';

/** An interval that holds the true value in 95 % of the cases; it is below the interval in 2.5 %, and above in 2.5 %. */
export type Interval = readonly [low: number, high: number];

/** The mean of what tasks can tell, and how sure it is. */
export interface Estimate {
  readonly interval: Interval;
  /** The standard error of the mean. */
  readonly error: number;
}

/** The most that an end of the interval is wrong. */
const oneSided = 0.025;
/** The probability with which the smallest detectable gain is seen. */
const power = 0.8;

/** Estimates the mean over tasks. @param limits the lowest and the highest value that a task can have */
export function estimateMean(values: readonly number[], [low, high]: Interval): Estimate {
  const count = values.length;
  const sum = (each: (value: number) => number): number => values.reduce((total, value) => total + each(value), 0);
  const mean = (sum((value) => value) + (low + high) / 2) / (count + 1);
  const squares = sum((value) => (value - mean) ** 2) + ((low - mean) ** 2 + (high - mean) ** 2) / 2;
  const error = Math.sqrt(squares / count / (count + 1));
  const reach = studentQuantile(1 - oneSided, count) * error;
  return { interval: [Math.max(low, mean - reach), Math.min(high, mean + reach)], error };
}

/** Returns the interval of a mean reward over tasks, of at least one. Where all rewards are equal, they are taken to be from 0 to 1. */
export function rewardInterval(rewards: readonly number[]): Interval {
  return estimateMean(rewards, findLimits(rewards)).interval;
}

/** Returns the lowest and the highest of the rewards; 0 or 1 takes their place where all are equal, so that there is a range. */
export function findLimits(rewards: readonly number[]): Interval {
  const low = rewards.reduce((least, reward) => Math.min(least, reward), Infinity);
  const high = rewards.reduce((most, reward) => Math.max(most, reward), -Infinity);
  return low < high ? [low, high] : [Math.min(low, 0), Math.max(high, 1)];
}

/**
 * Returns the smallest gain that a comparison of `count` tasks with this standard error would call better in 80 % of the cases:
 * (t(0.975; n) + t(0.8; n)) · e · (n + 1)/n, about 2.8 standard errors.
 * @source Bloom, Evaluation Review 19 (1995) 547–556, the minimum detectable effect
 */
export function detectableGain(error: number, count: number): number {
  const errors = studentQuantile(1 - oneSided, count) + studentQuantile(power, count);
  return (errors * error * (count + 1)) / count;
}
