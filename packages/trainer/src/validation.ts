import { randomOrder, seededRandom, type Rollout } from '@agent-lightning/core';
import { meanByKind, planValidation, type ValidationMetrics } from '@agent-lightning/run';
import { kindReader, type RunContext } from './run-context.ts';

/** Runs held-out tasks greedily; all of them, or the run's seeded subset. Undefined when there are none. */
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
  progress.validated(step, metrics);
  return metrics;
}

async function summarise<Task>(context: RunContext<Task>, rollouts: readonly Rollout[]): Promise<ValidationMetrics> {
  const kindOf = kindReader(context.options);
  const episodes = await context.collector.readEpisodes(rollouts, { kinds: ['reward'] });
  const rewards = episodes.map((episode) => ({ reward: episode.reward ?? 0, kind: kindOf?.(episode) }));
  return {
    reward: rewards.reduce((sum, { reward }) => sum + reward, 0) / rewards.length,
    rollouts: rollouts.length,
    failed: rollouts.filter((rollout) => rollout.status !== 'succeeded').length,
    byKind: meanByKind(rewards),
    complete: rollouts.length === context.fit.validation.length,
  };
}
