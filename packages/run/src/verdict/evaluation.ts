import { createHash } from 'node:crypto';
import { failureKinds, type Episode } from '@agent-lightning/core';
import type { FailureScoring } from '../failures/failure-scoring.ts';

/** A failed rollout of an evaluation. It has no reward yet: a comparison gives the failures of both sides theirs, by one rule. */
export interface EvaluatedFailure {
  /** Who caused it, by the `sorting` of the evaluation. */
  readonly kind: NonNullable<Episode['failureKind']>;
  /** The failure; absent where the rollout was cancelled or its failure is not known, which no sorting changes. */
  readonly failure?: NonNullable<Episode['rollout']['failure']>;
}

/** The rewards of an agent on tasks, each run several times. It is JSON. */
export interface Evaluation {
  /** A digest of the tasks and their order: only evaluations of the same tasks can be compared. */
  readonly tasks: string;
  /** The rewards or failures of each task's rollouts, shape (tasks, samples). A rollout that succeeded without a reward is left out. */
  readonly rewards: readonly (readonly (number | EvaluatedFailure)[])[];
  readonly rollouts: number;
  readonly failed: number;
  /** The reward of a failure that counts when the evaluation ended; a comparison may have a lower one. */
  readonly failureReward: number;
  /** The option `failures` by which the failures were sorted. */
  readonly sorting: FailureScoring['sorting'];
}

/**
 * Returns the rewards that count, shape (tasks, samples): failures have the failure reward, and those of the world are left out.
 * @param rule the failure reward, and the sorting that takes the place of the evaluation's own
 */
export function scoreEvaluation(
  { rewards, sorting: before }: Pick<Evaluation, 'rewards' | 'sorting'>,
  { failureReward, sorting }: Pick<Evaluation, 'failureReward' | 'sorting'>,
): readonly (readonly number[])[] {
  return rewards.map((samples) =>
    samples.flatMap((sample) => {
      if (typeof sample === 'number') return sample;
      return sortAgain(sample, before, sorting) === 'world' ? [] : failureReward;
    }),
  );
}

/** Returns the kind of a failure by another sorting: its own kind, unless the two sortings differ on it. */
function sortAgain(
  { kind, failure }: EvaluatedFailure,
  before: Evaluation['sorting'],
  now: Evaluation['sorting'],
): EvaluatedFailure['kind'] {
  if (failure === undefined) return kind;
  const sorted = failureKinds.of(failure, now);
  return sorted === failureKinds.of(failure, before) ? kind : sorted;
}

/** Returns a digest that tells one list of tasks from another: the first 16 hex digits of a SHA-256. */
export function digestTasks(tasks: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const task of tasks) hash.update(String(JSON.stringify(task))).update('\n');
  return hash.digest('hex').slice(0, 16);
}
