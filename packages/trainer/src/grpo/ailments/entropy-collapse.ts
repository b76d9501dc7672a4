import { historyFigures, type Ailment } from '@agent-lightning/run';
import { findWorst, type GrpoLine } from './each-policy.ts';

const { compareEnds, compareReward, formatFigure, hasRisen, isSolved, meanOf } = historyFigures;

/** The share of its first entropy that is left of a collapsed policy. Entropy falls in every run that learns; here nothing was earned by it. */
const largestShare = 0.25;

/** Finds policies that have lost their entropy without a gain: they always answer the same, and nothing new is tried. */
export const entropyCollapse: Ailment<GrpoLine> = {
  code: 'entropy-collapse',
  detect(history) {
    const reward = compareReward(history);
    if (reward === undefined || hasRisen(reward) || isSolved(history)) return undefined;
    return findWorst(history, ({ owner, history: own }) => {
      const ends = compareEnds(own);
      const from = ends && meanOf(ends.start, ({ entropy }) => entropy);
      const to = ends && meanOf(ends.newest, ({ entropy }) => entropy);
      if (from === undefined || to === undefined || from <= 0 || to > largestShare * from) return undefined;
      return {
        size: from / Math.max(to, 1e-9),
        message: `the entropy${owner} fell from ${formatFigure(from)} to ${formatFigure(to)} nats a token and the reward did not rise (${formatFigure(reward.from)} to ${formatFigure(reward.to)}), so the policy hardly tries anything else; lower the learning rate, raise clipHigh, add a KL penalty (klCoefficient), and begin again from an earlier checkpoint`,
      };
    });
  },
};
