import type { StepMetrics } from '../metrics.ts';
import type { Ailment } from './run-history.ts';
import { compareEnds, compareReward, formatFigure, hasRisen, meanOf } from './windows.ts';

/** Growth by so much without a rise of the reward is told; long thoughts that earn something are none. */
const leastGrowth = 1.5;

/** Finds runs in which rollouts grow longer without earning more. */
export const lengthGrowth: Ailment<StepMetrics> = {
  code: 'length-growth',
  detect(history) {
    const ends = compareEnds(history);
    const reward = compareReward(history);
    if (ends === undefined || reward === undefined || hasRisen(reward)) return undefined;
    const [from, to] = [meanOf(ends.start, tokensPerRollout), meanOf(ends.newest, tokensPerRollout)];
    if (from === undefined || to === undefined || to < leastGrowth * from) return undefined;
    return {
      size: to / from,
      message: `a rollout samples ${formatFigure(to)} tokens, ${formatFigure(to / from)} times as many as at first (${formatFigure(from)}), and its reward did not rise (${formatFigure(reward.from)} to ${formatFigure(reward.to)}); look in the report for text that repeats itself, lower maxTokens or the learning rate, or let the reward count length`,
    };
  },
};

/** Returns the sampled tokens of a rollout with calls; undefined when none had any. */
function tokensPerRollout({ tokensSampled, rollouts, withoutCalls }: StepMetrics): number | undefined {
  return rollouts > withoutCalls ? tokensSampled / (rollouts - withoutCalls) : undefined;
}
