import type { StepMetrics } from '../metrics.ts';
import type { Ailment, RunHistory } from './run-history.ts';
import { formatFigure, isSolved, meanOf, poolReward, readNewest, slideWindows, windowSteps } from './windows.ts';

/** Answers are all alike when those to other tasks are so similar, and hardly less so than those to the same task. */
const allAlike = { otherTask: 0.95, dependence: 0.01 };
/** The dependence on the task is lost when so little is left of what there was, where there was as much as this. */
const lost = { share: 0.1, least: 0.05 };

/**
 * Finds runs whose answers no longer depend on the task. The dependence is the similarity of answers to one task minus that of answers to
 * different tasks. @source RAGEN-2, "template collapse", which measures it by mutual information
 */
export const templateCollapse: Ailment<StepMetrics> = {
  code: 'template-collapse',
  detect(history) {
    const newest = readNewest(history);
    if (newest === undefined || isEarned(history)) return undefined;
    const [dependence, otherTask] = [meanOf(newest, readDependence), meanOf(newest, readOtherTask)];
    const before = findBestWindow(history);
    if (dependence === undefined || otherTask === undefined || before === undefined) return undefined;
    const isAlike = otherTask >= allAlike.otherTask && dependence <= allAlike.dependence && before.otherTask < 0.8;
    const isLost = before.dependence >= lost.least && dependence <= lost.share * before.dependence;
    if (!isAlike && !isLost) return undefined;
    return {
      size: 1 - Math.max(0, dependence),
      message: `answers no longer depend on the task: those to different tasks are as similar (${formatFigure(otherTask)} of 1) as those to one task (${formatFigure(otherTask + dependence)}), the difference was ${formatFigure(before.dependence)}; the policy has found one answer for everything: lower the learning rate, add a KL penalty (klCoefficient), and check that a wrong answer cannot earn the reward of a right one`,
    };
  },
};

/** Tells whether one answer for everything is right: every rollout earns the same, and most of what can be earned. */
function isEarned(history: RunHistory<StepMetrics>): boolean {
  const newest = history.recent.slice(-windowSteps);
  return isSolved(history) && (poolReward(newest)?.error ?? 1) < 0.02;
}

/** Returns the figures of the window in which answers depended most on the task, of those before the newest. */
function findBestWindow(
  history: RunHistory<StepMetrics>,
): { readonly dependence: number; readonly otherTask: number } | undefined {
  const windows = slideWindows(history).flatMap((window) => {
    const [dependence, otherTask] = [meanOf(window, readDependence), meanOf(window, readOtherTask)];
    return dependence === undefined || otherTask === undefined ? [] : [{ dependence, otherTask }];
  });
  if (windows.length === 0) return undefined;
  return windows.reduce((best, window) => (window.dependence > best.dependence ? window : best));
}

function readDependence({ answers }: StepMetrics): number | undefined {
  return answers === undefined ? undefined : answers.sameTask - answers.otherTask;
}

function readOtherTask({ answers }: StepMetrics): number | undefined {
  return answers?.otherTask;
}
