import type { ClaimableFilter } from '@agent-lightning/store';

/** Holds a WHERE condition with its values, in order. */
export interface Condition {
  readonly sql: string;
  readonly values: readonly (string | number)[];
}

/** Selects the queued rollouts of one queue that a filter lets through, whether or not they are available yet; written for the index `rollouts_queued`. */
export function queuedCondition({ nowMs, modes, runId, workerTags }: ClaimableFilter, queue: string): Condition {
  const parts = [`status IN ('queuing', 'requeuing') AND queue = ?`, '(deadline_ms IS NULL OR deadline_ms > ?)'];
  const values: (string | number)[] = [queue, nowMs];
  const add = (sql: string, value: string): void => {
    parts.push(sql);
    values.push(value);
  };
  if (modes.length > 0) add('mode IN (SELECT value FROM json_each(?))', JSON.stringify(modes));
  if (runId !== undefined) add('run_id = ?', runId);
  if (workerTags.length === 0) parts.push('worker_tags IS NULL');
  else add(hasAllTags, JSON.stringify(workerTags));
  return { sql: parts.join(' AND '), values };
}

const hasAllTags = `(worker_tags IS NULL OR NOT EXISTS (
  SELECT 1 FROM json_each(worker_tags) WHERE value NOT IN (SELECT value FROM json_each(?))))`;
