import type { StepMetrics } from '../metrics.ts';
import type { Ailment } from './run-history.ts';
import { compareEnds, compareReward, formatFigure, hasRisen, isSolved, meanOf } from './windows.ts';

/** The share of calls that are cut off which is told where the reward does not rise: an agent may ask for one token on purpose. */
const highShare = 0.2;
/** The rise of the share which is told in any case. */
const leastRise = 0.1;

/** Finds runs in which the token limit cuts off a large share of the replies, or a growing one. */
export const truncation: Ailment<StepMetrics> = {
  code: 'truncation',
  detect(history) {
    const ends = compareEnds(history);
    const reward = compareReward(history);
    const share = ends && meanOf(ends.newest, readShare);
    const before = ends && meanOf(ends.start, readShare);
    if (share === undefined || before === undefined) return undefined;
    const hasGrown = share - before >= leastRise;
    const isHigh = share >= highShare && !isSolved(history) && (reward === undefined || !hasRisen(reward));
    if (!hasGrown && !isHigh) return undefined;
    return {
      size: share,
      message: `${formatFigure(share * 100)} % of the model calls were cut off by the token limit${hasGrown ? ` (${formatFigure(before * 100)} % at first)` : ''}, so their answers end in the middle; raise maxTokens of the algorithm or the context of the model, or let a shorter answer earn more`,
    };
  },
};

function readShare({ truncatedShare, transitions }: StepMetrics): number | undefined {
  return transitions === 0 ? undefined : truncatedShare;
}
