import type { Episode } from '@agent-lightning/core';
import { digestTasks, planEvaluation, type Evaluation, type RolloutCollector } from '@agent-lightning/run';

/** The rollouts of an evaluation. */
export interface EvaluationPlan {
  /** The step that is evaluated; 0 before training. */
  readonly step: number;
  readonly tasks: readonly unknown[];
  /** The tasks that run, as indexes. */
  readonly indexes: readonly number[];
  /** Rollouts of each task. */
  readonly samples: number;
  readonly resourcesId: string | undefined;
}

/** Runs each task `samples` times, sampled as in training, and returns the rewards and the failures. */
export async function collectEvaluation(
  collector: RolloutCollector,
  { step, tasks, indexes, samples, resourcesId }: EvaluationPlan,
  stopping: AbortSignal,
): Promise<Evaluation> {
  const planned = planEvaluation(step, tasks, indexes, samples, resourcesId);
  const rollouts = await collector.collect(planned, stopping);
  // Calls are read without their tokens: they tell who caused a failure.
  const episodes = await collector.readEpisodes(rollouts, { kinds: ['reward', 'model_call'] });
  return {
    tasks: digestTasks(indexes.map((index) => tasks[index])),
    rewards: indexes.map((_, position) =>
      episodes.slice(position * samples, (position + 1) * samples).flatMap(toSamples),
    ),
    rollouts: rollouts.length,
    failed: rollouts.filter(({ status }) => status !== 'succeeded').length,
    failureReward: collector.failures.failureReward,
    sorting: collector.failures.sorting,
  };
}

/** Returns the reward of a rollout or its failure; nothing where it succeeded without a reward. */
function toSamples({ rollout, reward, failureKind = 'unknown' }: Episode): Evaluation['rewards'][number] {
  const { status, failure } = rollout;
  if (status === 'succeeded') return reward === undefined ? [] : [reward];
  return [{ kind: failureKind, ...(status === 'failed' && failure !== undefined && { failure }) }];
}
