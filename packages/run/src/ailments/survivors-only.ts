import type { StepMetrics } from '../metrics.ts';
import type { Ailment } from './run-history.ts';
import { compareEnds, formatFigure } from './windows.ts';

/** The least rise of the share of rollouts without a reward that is told. */
const leastRise = 0.1;
/** A rise is told when it is more than so many standard errors, those of rollouts that resemble each other within a task. */
const clearErrors = 2.5;
const designEffect = 3;

/** Finds runs in which more and more rollouts have no reward: what is left teaches the agent to fail where it would be bad. */
export const survivorsOnly: Ailment<StepMetrics> = {
  code: 'survivors-only',
  detect(history) {
    const ends = compareEnds(history);
    if (ends === undefined) return undefined;
    const [start, newest] = [shareWithoutReward(ends.start), shareWithoutReward(ends.newest)];
    const rise = newest.share - start.share;
    if (rise < leastRise || rise < clearErrors * Math.hypot(start.error, newest.error)) return undefined;
    return {
      size: newest.share,
      message: `${percent(newest.share)} of the rollouts have no reward and teach nothing, ${percent(start.share)} had none at first${describeFailures(ends.newest)}; the mean reward of the others is no measure any more, and training may lead towards what is left out: where the agent causes it, let it count (take its error out of the option failures, or return a reward), else mend what fails, or try it more often by the option retry`,
    };
  },
};

function shareWithoutReward(lines: readonly StepMetrics[]): { readonly share: number; readonly error: number } {
  const rollouts = lines.reduce((sum, line) => sum + line.rollouts, 0);
  const rewarded = lines.reduce((sum, { reward }) => sum + reward.count, 0);
  const share = rollouts === 0 ? 0 : (rollouts - rewarded) / rollouts;
  return { share, error: Math.sqrt((share * (1 - share) * designEffect) / Math.max(rollouts, 1)) };
}

/** Names the most common failure of some steps. */
function describeFailures(lines: readonly StepMetrics[]): string {
  const counts = new Map<string, number>();
  for (const { failures } of lines)
    for (const [code, count] of Object.entries(failures)) counts.set(code, (counts.get(code) ?? 0) + count);
  const [most] = [...counts].toSorted((a, b) => b[1] - a[1]);
  return most === undefined ? '' : ` (most of them ${most[0]})`;
}

function percent(share: number): string {
  return `${formatFigure(share * 100)} %`;
}
