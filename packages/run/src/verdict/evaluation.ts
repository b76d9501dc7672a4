import { createHash } from 'node:crypto';

/** The rewards of an agent on tasks, each run several times. It is JSON. */
export interface Evaluation {
  /** A digest of the tasks and their order: only evaluations of the same tasks can be compared. */
  readonly tasks: string;
  /** The rewards of each task's rollouts, shape (tasks, samples). A rollout without a reward that counts is left out. */
  readonly rewards: readonly (readonly number[])[];
  readonly rollouts: number;
  readonly failed: number;
}

/** Returns a digest that tells one list of tasks from another: the first 16 hex digits of a SHA-256. */
export function digestTasks(tasks: readonly unknown[]): string {
  const hash = createHash('sha256');
  for (const task of tasks) hash.update(String(JSON.stringify(task))).update('\n');
  return hash.digest('hex').slice(0, 16);
}
