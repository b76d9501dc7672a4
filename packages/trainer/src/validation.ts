import { randomOrder, seededRandom, type Rollout } from '@agent-lightning/core';
import { meanByKind, planValidation, type ValidationMetrics } from '@agent-lightning/run';
import { kindReader, type RunContext } from './run-context.ts';

/** Runs held-out tasks greedily; all of them, or the run's seeded subset. Undefined when there are none, or none of the rollouts counts. */
export async function validate<Task>(
  context: RunContext<Task>,
  step: number,
  isComplete: boolean,
): Promise<ValidationMetrics | undefined> {
  const { fit, options, collector, progress } = context;
  if (fit.validation.length === 0) return undefined;
  const order = randomOrder(fit.validation.length, seededRandom(options.seed, 'validation-subset'));
  const indexes = isComplete ? [...fit.validation.keys()] : order.slice(0, fit.validationSubset);
  progress.begin(step, 'validate', indexes.length);
  const rollouts = await collector.collect(
    planValidation(step, fit.validation, indexes, context.algorithm.resourcesId),
    context.stopping,
  );
  const metrics = await summarise(context, rollouts);
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
): Promise<ValidationMetrics | undefined> {
  const kindOf = kindReader(context.options);
  // Calls are read without their tokens: they tell who caused a failure.
  const episodes = await context.collector.readEpisodes(rollouts, { kinds: ['reward', 'model_call'] });
  const rewards = episodes.flatMap((episode) =>
    episode.reward === undefined ? [] : [{ reward: episode.reward, kind: kindOf?.(episode) }],
  );
  if (rewards.length === 0) return undefined;
  return {
    reward: rewards.reduce((sum, { reward }) => sum + reward, 0) / rewards.length,
    rollouts: rollouts.length,
    failed: rollouts.filter((rollout) => rollout.status !== 'succeeded').length,
    leftOut: rollouts.length - rewards.length,
    byKind: meanByKind(rewards),
    complete: rollouts.length === context.fit.validation.length,
  };
}

function describeLost(rollouts: readonly Rollout[]): string {
  const failed = rollouts.find(({ status }) => status !== 'succeeded');
  if (failed === undefined) return 'none has a reward; return a number from the rollout function';
  return `such as ${failed.rolloutId}: ${failed.failure?.code ?? failed.status}: ${failed.failure?.message ?? 'no message'}`;
}
