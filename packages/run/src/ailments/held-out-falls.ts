import type { StepMetrics } from '../metrics.ts';
import type { Ailment, RunHistory } from './run-history.ts';
import { compareReward, formatFigure, hasRisen } from './windows.ts';

/** A fall is told when it is more than so many standard errors: the best of several validations is the highest by luck, too. */
const clearErrors = 3;

/** Finds runs whose training reward rises while the reward on held-out tasks falls: what is learned does not carry over. */
export const heldOutFalls: Ailment<StepMetrics> = {
  code: 'held-out-falls',
  detect(history) {
    const training = compareReward(history);
    const newest = history.heldOut.at(-1);
    if (training === undefined || !hasRisen(training) || newest === undefined) return undefined;
    const best = history.heldOut.reduce((highest, point) => (point.reward > highest.reward ? point : highest));
    const fall = best.reward - newest.reward;
    const error = Math.hypot(errorOf(best, history), errorOf(newest, history));
    if (best.step >= newest.step || fall <= clearErrors * error) return undefined;
    return {
      size: fall,
      message: `held-out reward fell from ${formatFigure(best.reward)} after step ${best.step} to ${formatFigure(newest.reward)}, while training reward rose from ${formatFigure(training.from)} to ${formatFigure(training.to)}; look in the report at rollouts with a high reward for one that is not deserved, train on more tasks, or keep the model of step ${best.step}`,
    };
  },
};

/** Returns the largest standard error that a mean of rewards within the range seen can have. @source Bhatia and Davis 2000 */
function errorOf(
  { reward, rollouts }: RunHistory['heldOut'][number],
  { rewardRange }: Pick<RunHistory, 'rewardRange'>,
): number {
  const [lowest, highest] = [Math.min(reward, rewardRange?.[0] ?? 0), Math.max(reward, rewardRange?.[1] ?? 1)];
  return Math.sqrt(((highest - reward) * (reward - lowest)) / rollouts);
}
