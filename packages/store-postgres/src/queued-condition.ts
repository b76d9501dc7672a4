import type { ClaimableFilter } from '@agent-lightning/store';

/** A WHERE condition with its values, for parameters from $1 on. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** Returns the SQL condition for the queued rollouts that a filter lets through, whether or not they are available yet; written for the index `rollouts_queued`. */
export function queuedCondition({ nowMs, queues, modes, runId, workerTags }: ClaimableFilter): Condition {
  const parts = [`status IN ('queuing', 'requeuing')`];
  const values: unknown[] = [];
  const add = (value: unknown, sql: (parameter: string) => string): void => {
    values.push(value);
    parts.push(sql(`$${values.length}`));
  };
  // One queue keeps the order of the index; several have to be sorted.
  if (queues.length === 1) add(queues[0], (queue) => `queue = ${queue}`);
  else add(queues, (names) => `queue = ANY(${names}::text[])`);
  add(nowMs, (now) => `(deadline_ms IS NULL OR deadline_ms > ${now})`);
  if (modes.length > 0) add(modes, (names) => `mode = ANY(${names}::text[])`);
  if (runId !== undefined) add(runId, (id) => `run_id = ${id}`);
  if (workerTags.length === 0) parts.push('worker_tags IS NULL');
  else add(workerTags, (tags) => `(worker_tags IS NULL OR worker_tags <@ ${tags}::text[])`);
  return { sql: parts.join(' AND '), values };
}
