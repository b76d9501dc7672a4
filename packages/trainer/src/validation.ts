import type { Rollout } from '@agent-lightning/core';
import { meanByKind, planValidation, rewardInterval, type ValidationMetrics } from '@agent-lightning/run';
import { splitHeldOut } from './evaluate/held-out-tasks.ts';
import { kindReader, type RunContext } from './run-context.ts';

/** Runs held-out tasks greedily; all of them, or the run's seeded subset. Undefined when there are none, or none of the rollouts counts. */
export async function validate<Task>(
  context: RunContext<Task>,
  step: number,
  isComplete: boolean,
): Promise<ValidationMetrics | undefined> {
  const { fit, options, collector, progress } = context;
  if (fit.validation.length === 0) return undefined;
  const { subset, selection } = splitHeldOut(fit, options.seed);
  const indexes = isComplete ? [...fit.validation.keys()] : subset;
  progress.begin(step, 'validate', indexes.length);
  const rollouts = await collector.collect(
    planValidation(step, fit.validation, indexes, context.algorithm.resourcesId),
    context.stopping,
  );
  const metrics = await summarise(context, rollouts, new Set(selection), indexes);
  if (metrics !== undefined && selection.length > 0 && metrics.selection === undefined)
    progress.logger.warn(
      `validation after step ${step}: some of the ${selection.length} tasks that choose the best step have no reward (${describeLost(rollouts)}); a mean over the others would not compare, so this step cannot be chosen`,
    );
  if (metrics === undefined)
    progress.logger.warn(
      `validation after step ${step}: none of ${rollouts.length} rollouts counts (${describeLost(rollouts)}); it says nothing about the agent`,
    );
  else progress.validated(step, metrics);
  return metrics;
}

/** Returns the mean reward over the rollouts that count, as in training; undefined when none does. */
async function summarise<Task>(
  context: RunContext<Task>,
  rollouts: readonly Rollout[],
  selection: ReadonlySet<number>,
  indexes: readonly number[],
): Promise<ValidationMetrics | undefined> {
  const kindOf = kindReader(context.options);
  // Calls are read without their tokens: they tell who caused a failure.
  const episodes = await context.collector.readEpisodes(rollouts, { kinds: ['reward', 'model_call'] });
  const rewards = episodes.flatMap((episode, position) =>
    episode.reward === undefined
      ? []
      : [{ reward: episode.reward, kind: kindOf?.(episode), isSelected: selection.has(indexes[position]!) }],
  );
  if (rewards.length === 0) return undefined;
  const selected = rewards.filter(({ isSelected }) => isSelected);
  return {
    reward: meanReward(rewards),
    interval: rewardInterval(rewards.map(({ reward }) => reward)),
    rollouts: rollouts.length,
    failed: rollouts.filter((rollout) => rollout.status !== 'succeeded').length,
    leftOut: rollouts.length - rewards.length,
    byKind: meanByKind(rewards),
    ...(selection.size === 0 || selected.length < selection.size ? {} : { selection: meanReward(selected) }),
    complete: rollouts.length === context.fit.validation.length,
  };
}

function describeLost(rollouts: readonly Rollout[]): string {
  const failed = rollouts.find(({ status }) => status !== 'succeeded');
  if (failed === undefined) return 'none has a reward; return a number from the rollout function';
  return `such as ${failed.rolloutId}: ${failed.failure?.code ?? failed.status}: ${failed.failure?.message ?? 'no message'}`;
}

function meanReward(items: readonly { readonly reward: number }[]): number {
  return items.reduce((sum, { reward }) => sum + reward, 0) / items.length;
}
