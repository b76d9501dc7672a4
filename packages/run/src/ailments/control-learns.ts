import type { StepMetrics } from '../metrics.ts';
import type { Ailment, RunHistory } from './run-history.ts';
import { compareReward, formatFigure } from './windows.ts';

/** A rise is told when it is more than so many standard errors and so large a part of the range of earned rewards. */
const clearErrors = 3;
const leastRise = 0.1;

/** Finds control runs, whose rollouts have the rewards of others, that get better all the same: what they gain does not come from the reward. */
export const controlLearns: Ailment<StepMetrics> = {
  code: 'control-learns',
  detect(history) {
    const change = history.facts.isControl ? compareReward(history) : undefined;
    if (change === undefined || history.earnedRange === undefined) return undefined;
    const { from, to, error } = change;
    const [lowest, highest] = history.earnedRange;
    if (to - from <= clearErrors * error || to - from < leastRise * (highest - lowest)) return undefined;
    return {
      size: to - from,
      message: `this control run learns: its reward rose from ${formatFigure(from)} to ${formatFigure(to)} although each rollout has the reward of another one${describeHeldOut(history)}; a gain of this size in a real run proves nothing: look for what favours good answers besides the reward (answers cut off, failures that are left out), and lower the learning rate, since a large step walks at random`,
    };
  },
};

function describeHeldOut({ heldOut }: RunHistory): string {
  const [first, last] = [heldOut[0], heldOut.at(-1)];
  return first === undefined || last === undefined || last === first
    ? ''
    : ` (held-out ${formatFigure(first.reward)} to ${formatFigure(last.reward)})`;
}
