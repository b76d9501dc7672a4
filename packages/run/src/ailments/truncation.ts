import type { StepMetrics } from '../metrics.ts';
import type { Ailment } from './run-history.ts';
import { compareEnds, formatFigure, meanOf, readNewest } from './windows.ts';

/** The share of calls that are cut off which is told whenever it is reached, and the rise which is told earlier. */
const highShare = 0.2;
const leastRise = 0.1;

/** Finds runs in which the token limit cuts off a large share of the replies, or a growing one. */
export const truncation: Ailment<StepMetrics> = {
  code: 'truncation',
  detect(history) {
    const newest = readNewest(history);
    const share = newest === undefined ? undefined : meanOf(newest, readShare);
    if (share === undefined) return undefined;
    const ends = compareEnds(history);
    const before = ends === undefined ? undefined : meanOf(ends.start, readShare);
    const hasGrown = before !== undefined && share - before >= leastRise;
    if (share < highShare && !hasGrown) return undefined;
    return {
      size: share,
      message: `${formatFigure(share * 100)} % of the model calls were cut off by the token limit${hasGrown ? ` (${formatFigure(before * 100)} % at first)` : ''}, so their answers end in the middle; raise maxTokens of the algorithm or the context of the model, or let a shorter answer earn more`,
    };
  },
};

function readShare({ truncatedShare, transitions }: StepMetrics): number | undefined {
  return transitions === 0 ? undefined : truncatedShare;
}
