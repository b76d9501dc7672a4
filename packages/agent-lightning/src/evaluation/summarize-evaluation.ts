import type { JsonValue } from '@agent-lightning/core';
import { rewardInterval, scoreEvaluation, type Interval } from '@agent-lightning/run';
import type { Evaluation } from '@agent-lightning/trainer';

/** The mean reward of some tasks. */
export interface MeanReward {
  /** The mean over tasks of their mean reward; undefined where no task counts. */
  readonly reward: number | undefined;
  /** The 95 % interval of the mean over tasks; undefined where no task counts. */
  readonly interval: Interval | undefined;
  /** Tasks that count: those with a reward, or with a failure that is not the world's. */
  readonly tasks: number;
}

/** An evaluation in figures. It is JSON. */
export interface EvaluationSummary extends MeanReward {
  readonly rollouts: number;
  readonly failed: number;
  /** Rollouts without a reward that counts: lost to the world, or without a reward. */
  readonly leftOut: number;
  /** Standard deviations of rewards; undefined where there are fewer than two values. */
  readonly spread: {
    /** The spread of the tasks' mean rewards. */
    readonly betweenTasks: number | undefined;
    /** The spread of the rewards of one task, averaged over tasks. */
    readonly withinTask: number | undefined;
  };
  /** The mean rewards by kind of task; empty where the config has no `taskKind`. */
  readonly byKind: Readonly<Record<string, MeanReward>>;
}

/** Computes the mean, the spread and the means by kind of an evaluation. Failures have its failure reward, and those of the world are left out. */
export function summarizeEvaluation(
  evaluation: Evaluation,
  tasks: readonly JsonValue[],
  taskKind: ((task: JsonValue) => string) | undefined,
): EvaluationSummary {
  const { rollouts, failed } = evaluation;
  const scored = scoreEvaluation(evaluation, evaluation);
  const kinds = taskKind === undefined ? [] : tasks.map((task) => taskKind(task));
  const byKind = [...new Set(kinds)].map(
    (kind) => [kind, toMean(scored.filter((_, index) => kinds[index] === kind))] as const,
  );
  const within = scored.flatMap((samples) => deviation(samples) ?? []);
  return {
    ...toMean(scored),
    rollouts,
    failed,
    leftOut: rollouts - scored.flat().length,
    spread: {
      betweenTasks: deviation(scored.filter((samples) => samples.length > 0).map(meanOf)),
      withinTask: within.length === 0 ? undefined : meanOf(within),
    },
    byKind: Object.fromEntries(byKind),
  };
}

/** Writes a summary as lines, the mean first. */
export function describeEvaluation(name: string, summary: EvaluationSummary): string {
  const { betweenTasks, withinTask } = summary.spread;
  const show = (value: number | undefined): string => value?.toFixed(3) ?? 'unknown';
  const lines = [
    `${name}: reward ${describeMean(summary)}, spread ${show(betweenTasks)} between tasks and ${show(withinTask)} within a task, failed rollouts ${summary.failed} of ${summary.rollouts}${summary.leftOut === 0 ? '' : `, ${summary.leftOut} left out`}`,
    ...Object.entries(summary.byKind).map(([kind, mean]) => `  ${kind}: ${describeMean(mean)}`),
  ];
  return lines.join('\n');
}

function describeMean({ reward, interval, tasks }: MeanReward): string {
  if (reward === undefined || interval === undefined) return 'none';
  const [low, high] = interval.map((end) => end.toFixed(3));
  return `${reward.toFixed(3)} (${low} to ${high}) on ${tasks} ${tasks === 1 ? 'task' : 'tasks'}`;
}

function toMean(scored: readonly (readonly number[])[]): MeanReward {
  const means = scored.filter((samples) => samples.length > 0).map(meanOf);
  if (means.length === 0) return { reward: undefined, interval: undefined, tasks: 0 };
  return { reward: meanOf(means), interval: rewardInterval(means), tasks: means.length };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Returns the standard deviation of a sample, with n − 1; undefined for fewer than two values. */
function deviation(values: readonly number[]): number | undefined {
  if (values.length < 2) return undefined;
  const mean = meanOf(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
