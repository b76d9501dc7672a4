/** Comparisons that detectors make, of the first steps of a run with its newest ones. */
import type { StepMetrics } from '../metrics.ts';
import type { RunHistory } from './run-history.ts';

/** The number of steps on either side of a comparison. */
export const windowSteps = 3;

/** The two ends of a run; they share no step. */
export interface Ends<Line> {
  readonly start: readonly Line[];
  readonly newest: readonly Line[];
}

/** Returns the first and the newest steps of a run; undefined while they would overlap. */
export function compareEnds<Line extends { readonly step: number }>(history: RunHistory<Line>): Ends<Line> | undefined {
  const start = history.first.slice(0, windowSteps);
  const newest = history.recent.slice(-windowSteps);
  if (start.length < windowSteps || newest[0]!.step <= start.at(-1)!.step) return undefined;
  return { start, newest };
}

/** Returns the newest steps; undefined while there are fewer than a window holds. */
export function readNewest<Line extends object>(history: RunHistory<Line>): readonly Line[] | undefined {
  return history.recent.length < windowSteps ? undefined : history.recent.slice(-windowSteps);
}

/** Returns the mean of a figure; undefined when a line does not have it. */
export function meanOf<Line>(lines: readonly Line[], read: (line: Line) => number | undefined): number | undefined {
  const values = lines.map(read);
  if (values.length === 0 || values.includes(undefined)) return undefined;
  return values.reduce<number>((sum, value) => sum + value!, 0) / values.length;
}

/** The change of the mean training reward from the first steps to the newest. */
export interface RewardChange {
  readonly from: number;
  readonly to: number;
  /** The standard error of `to − from`. */
  readonly error: number;
}

/** Rollouts of one task resemble each other: a group of 8 with a correlation of 0.3 says as much as 8 / (1 + 7 · 0.3) independent ones. */
const designEffect = 3;

/** A reward has risen, or fallen, when it changed by more than so many standard errors. */
const clearErrors = 2;

/** Compares the training reward of the first steps with that of the newest; undefined while a run is too short, or has no rewards. */
export function compareReward(history: RunHistory<StepMetrics>): RewardChange | undefined {
  const ends = compareEnds(history);
  if (ends === undefined) return undefined;
  const [start, newest] = [poolReward(ends.start), poolReward(ends.newest)];
  if (start === undefined || newest === undefined) return undefined;
  return { from: start.mean, to: newest.mean, error: Math.hypot(start.error, newest.error) };
}

/** Tells whether the reward has clearly risen. */
export function hasRisen({ from, to, error }: RewardChange): boolean {
  return to > from && to - from > clearErrors * error;
}

/** A fall of the training reward from the best steps to the newest. */
export interface RewardFall extends RewardChange {
  /** The best steps, such as `4 to 6`. */
  readonly steps: string;
}

/** A fall is told when it is more than so many standard errors, since the best of many steps is the highest by luck too, and so large a part of the range. */
const fallErrors = 3;
const leastFall = 0.25;

/** Compares the training reward of the best steps with that of the newest; undefined unless it has clearly fallen. */
export function compareRewardToBest(history: RunHistory<StepMetrics>): RewardFall | undefined {
  const newest = poolReward(history.recent.slice(-windowSteps));
  const { earnedRange } = history;
  if (newest === undefined || earnedRange === undefined) return undefined;
  const pooled = slideWindows(history).flatMap((window) => {
    const reward = poolReward(window);
    return reward === undefined ? [] : [{ ...reward, steps: `${window[0]!.step} to ${window.at(-1)!.step}` }];
  });
  if (pooled.length === 0) return undefined;
  const best = pooled.reduce((highest, window) => (window.mean > highest.mean ? window : highest));
  const fall = best.mean - newest.mean;
  const error = Math.hypot(best.error, newest.error);
  if (fall <= fallErrors * error || fall < leastFall * (earnedRange[1] - earnedRange[0])) return undefined;
  return { from: best.mean, to: newest.mean, error, steps: best.steps };
}

/** Returns every window of steps that are kept and lie before the newest window, oldest first. */
export function slideWindows<Line extends { readonly step: number }>({
  first,
  recent,
}: RunHistory<Line>): readonly (readonly Line[])[] {
  const newest = recent.at(-windowSteps)?.step ?? 0;
  const later = recent.filter(({ step }) => step > (first.at(-1)?.step ?? 0));
  const earlier = [...first, ...later].filter(({ step }) => step < newest);
  return earlier.slice(windowSteps - 1).map((_, index) => earlier.slice(index, index + windowSteps));
}

/** Tells whether nearly all that can be earned is earned: the newest reward is in the highest tenth of the rewards that were earned. */
export function isSolved(history: RunHistory<StepMetrics>): boolean {
  const newest = poolReward(history.recent.slice(-windowSteps));
  if (newest === undefined || history.earnedRange === undefined) return false;
  const [lowest, highest] = history.earnedRange;
  return highest > lowest && newest.mean >= highest - 0.1 * (highest - lowest);
}

/** Returns the mean reward of some steps and its standard error; undefined when no rollout of them had one. */
export function poolReward(
  lines: readonly StepMetrics[],
): { readonly mean: number; readonly error: number } | undefined {
  let [count, sum, squares] = [0, 0, 0];
  for (const { reward } of lines) {
    if (reward.mean === undefined) continue;
    count += reward.count;
    sum += reward.count * reward.mean;
    squares += reward.count * (reward.mean ** 2 + reward.deviation! ** 2);
  }
  if (count === 0) return undefined;
  const mean = sum / count;
  const variance = Math.max(0, squares / count - mean ** 2);
  return { mean, error: Math.sqrt((variance * designEffect) / count) };
}

/** Writes a figure with as many digits as a reader needs. */
export function formatFigure(value: number): string {
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)));
}

/** Reads figures of a run's history, for ailments of any algorithm. */
export const historyFigures: {
  readonly compareEnds: typeof compareEnds;
  readonly compareReward: typeof compareReward;
  readonly compareRewardToBest: typeof compareRewardToBest;
  readonly formatFigure: typeof formatFigure;
  readonly hasRisen: typeof hasRisen;
  readonly isSolved: typeof isSolved;
  readonly meanOf: typeof meanOf;
  readonly readNewest: typeof readNewest;
} = Object.freeze({
  compareEnds,
  compareReward,
  compareRewardToBest,
  formatFigure,
  hasRisen,
  isSolved,
  meanOf,
  readNewest,
});
