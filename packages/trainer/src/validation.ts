import type { Rollout } from '@agent-lightning/core';
import { meanByKind, planValidation, rewardInterval, type ValidationMetrics } from '@agent-lightning/run';
import { toHeldOutReward } from './evaluate/held-out-reward.ts';
import { splitHeldOut } from './evaluate/held-out-tasks.ts';
import { kindReader, type RunContext } from './run-context.ts';

/** Runs held-out tasks greedily; all of them, or the run's seeded subset. Undefined when there are none. */
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
  progress.validated(step, metrics);
  return metrics;
}

async function summarise<Task>(
  context: RunContext<Task>,
  rollouts: readonly Rollout[],
  selection: ReadonlySet<number>,
  indexes: readonly number[],
): Promise<ValidationMetrics> {
  const kindOf = kindReader(context.options);
  const episodes = await context.collector.readEpisodes(rollouts, { kinds: ['reward'] });
  const rewards = episodes.map((episode) => ({ reward: toHeldOutReward(episode), kind: kindOf?.(episode) }));
  const selected = rewards.filter((_, position) => selection.has(indexes[position]!));
  return {
    reward: meanReward(rewards),
    interval: rewardInterval(rewards.map(({ reward }) => reward)),
    rollouts: rollouts.length,
    failed: rollouts.filter((rollout) => rollout.status !== 'succeeded').length,
    byKind: meanByKind(rewards),
    ...(selected.length === 0 ? {} : { selection: meanReward(selected) }),
    complete: rollouts.length === context.fit.validation.length,
  };
}

function meanReward(items: readonly { readonly reward: number }[]): number {
  return items.reduce((sum, { reward }) => sum + reward, 0) / items.length;
}
