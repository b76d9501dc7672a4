import type { TrainingOutcome } from './walk-way.ts';

/** The least gain on held-out tasks of a curve that rises, in units of reward. */
export const leastGain = 0.15;

/** Tells whether an agent became better by at least {@link leastGain} on held-out tasks, with the whole interval of its gain above 0. */
export function isRising({ verdict }: TrainingOutcome): boolean {
  return verdict !== undefined && verdict.gain >= leastGain && verdict.interval[0] > 0;
}

/** Tells whether a control run was judged and did not surely become better: the interval of its gain begins at 0 or below. */
export function isFlat({ verdict }: TrainingOutcome): boolean {
  return verdict !== undefined && verdict.interval[0] <= 0;
}
