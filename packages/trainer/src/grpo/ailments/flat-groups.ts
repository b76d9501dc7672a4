import { historyFigures, type Ailment } from '@agent-lightning/run';
import type { GrpoLine } from './each-policy.ts';

const { formatFigure, isSolved, meanOf, readNewest } = historyFigures;

/** The share of groups without variance from which on it is told. */
const leastShare = 0.75;

/** Finds runs in which most groups have equal rewards, and so teach nothing, while there is still something to earn. */
export const flatGroups: Ailment<GrpoLine> = {
  code: 'flat-groups',
  detect(history) {
    const newest = readNewest(history);
    const share = newest && meanOf(newest, ({ zeroVarianceShare }) => zeroVarianceShare);
    if (newest === undefined || share === undefined || share < leastShare || isSolved(history)) return undefined;
    const reward = meanOf(newest, (line) => line.reward.mean);
    return {
      size: share,
      message: `${formatFigure(share * 100)} % of the groups have equal rewards and teach nothing (mean reward ${reward === undefined ? 'unknown' : formatFigure(reward)}); give tasks that the agent solves sometimes, a reward that tells better from worse answers, a larger groupSize, or a higher temperature`,
    };
  },
};
