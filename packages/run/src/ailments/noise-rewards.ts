import type { StepMetrics } from '../metrics.ts';
import type { Ailment } from './run-history.ts';
import { compareReward, formatFigure, hasRisen, isSolved } from './windows.ts';

/** Pairs of equal and of different answers that must be there before anything is said. */
const leastDegrees = 40;
/** Steps that are looked at: a policy changes, and so does the part of the reward that its answers decide. */
const steps = 10;
/**
 * The largest ratio F of the variance between answers to that among equal ones that counts as noise. Where a share s of a reward's variance
 * comes from the answer, and answers appear n times, F is about 1 + n·s/(1 − s): for n = 2 this is a share of 0.13.
 */
const largestRatio = 1.3;

/**
 * Finds rewards that differ as much among equal answers to one task as between different answers: there is nothing in them to learn. A
 * reward that has risen is more than noise; what still differs when all tasks are solved is noise alone, and harmless.
 */
export const noiseRewards: Ailment<StepMetrics> = {
  code: 'noise-rewards',
  detect(history) {
    const reward = compareReward(history);
    if (history.facts.isControl || isSolved(history) || (reward !== undefined && hasRisen(reward))) return undefined;
    let [between, betweenDegrees, within, withinDegrees] = [0, 0, 0, 0];
    for (const { answers } of history.recent.slice(-steps)) {
      between += answers?.repeated?.between ?? 0;
      betweenDegrees += answers?.repeated?.betweenDegrees ?? 0;
      within += answers?.repeated?.within ?? 0;
      withinDegrees += answers?.repeated?.withinDegrees ?? 0;
    }
    if (betweenDegrees < leastDegrees || withinDegrees < leastDegrees || within === 0) return undefined;
    const ratio = between / betweenDegrees / (within / withinDegrees);
    if (ratio > largestRatio) return undefined;
    return {
      size: 1,
      message: `equal answers to one task get rewards that differ by ${formatFigure(Math.sqrt(within / withinDegrees))}, as much as different answers do (ratio of the variances ${formatFigure(ratio)}, over ${betweenDegrees + withinDegrees} answers); the reward does not depend on the answer: check that it scores this rollout's own answer, make a judge deterministic or take the mean of several, and fix what is random in tools`,
    };
  },
};
