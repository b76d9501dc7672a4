import {
  decodeResources,
  decodeRollout,
  encodeFailure,
  encodeSettings,
  encodeSpanBody,
  packTokens,
  type AttemptRecord,
  type ClaimableFilter,
  type NewResources,
  type NewStoreEvent,
  type RolloutRecord,
  type RecordWriter,
  type SqlRow,
} from '@agent-lightning/store';
import { StoreError, type ResourcesVersion, type Span } from '@agent-lightning/core';
import { queuedCondition } from './queued-condition.ts';
import { selectRollouts, spanKeyStep, SqliteReader } from './sqlite-reader.ts';

/** Writes records inside the transaction that the connection has open. SQLite has one writer at a time, so that records need no locks of their own. */
export class SqliteWriter extends SqliteReader implements RecordWriter {
  lockClaimable(filter: ClaimableFilter, limit: number): readonly RolloutRecord[] {
    // One indexed walk per queue, merged here: the index gives the order, and no queue is sorted.
    const rows = filter.queues.flatMap((queue) => {
      const { sql, values } = queuedCondition(filter, queue);
      return this.statements.all(
        `SELECT * FROM rollouts INDEXED BY rollouts_queued JOIN tasks USING (ordinal)
         WHERE ${sql} AND available_at_ms <= ? ORDER BY priority DESC, ordinal LIMIT ?`,
        ...values,
        filter.nowMs,
        limit,
      );
    });
    return (filter.queues.length === 1 ? rows : rows.sort(byClaimOrder)).slice(0, limit).map(decodeRollout);
  }

  lockOverdue(nowMs: number, limit: number): readonly RolloutRecord[] {
    return this.statements
      .all(
        `${selectRollouts} WHERE deadline_ms IS NOT NULL AND deadline_ms <= ? ORDER BY deadline_ms LIMIT ?`,
        nowMs,
        limit,
      )
      .map(decodeRollout);
  }

  takeFencingTokens(count: number): number {
    return this.#count('fencing_token', count) - count + 1;
  }

  insertRollouts(records: readonly RolloutRecord[]): void {
    for (const { rollout, lastSequenceId, deadlineMs } of records) {
      const { ordinal } = this.statements.get(
        `INSERT INTO rollouts (rollout_id, status, mode, queue, priority, run_id, group_id, worker_tags, attempt_count, last_sequence_id, created_at_ms, available_at_ms, deadline_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING ordinal`,
        rollout.rolloutId,
        rollout.status,
        rollout.mode,
        rollout.queue,
        rollout.priority,
        rollout.runId ?? null,
        rollout.groupId ?? null,
        rollout.workerTags === undefined ? null : JSON.stringify(rollout.workerTags),
        rollout.attemptCount,
        lastSequenceId,
        rollout.createdAtMs,
        rollout.availableAtMs,
        deadlineMs ?? null,
      ) as { ordinal: number };
      this.statements.run(
        'INSERT INTO tasks VALUES (?, ?, ?)',
        ordinal,
        JSON.stringify(rollout.input),
        encodeSettings(rollout),
      );
    }
  }

  saveRollouts(records: readonly RolloutRecord[]): void {
    for (const { rollout, lastSequenceId, deadlineMs } of records) {
      this.statements.run(
        `UPDATE rollouts SET status = ?, attempt_count = ?, last_sequence_id = ?, available_at_ms = ?, ended_at_ms = ?, deadline_ms = ?, failure = ?
         WHERE rollout_id = ?`,
        rollout.status,
        rollout.attemptCount,
        lastSequenceId,
        rollout.availableAtMs,
        rollout.endedAtMs ?? null,
        deadlineMs ?? null,
        encodeFailure(rollout.failure),
        rollout.rolloutId,
      );
    }
  }

  insertAttempts(records: readonly AttemptRecord[]): void {
    for (const { attempt, fencingToken, leaseMs } of records) {
      this.statements.run(
        `INSERT INTO attempts (ordinal, attempt_number, attempt_id, status, worker_id, fencing_token, lease_ms, started_at_ms, last_progress_at_ms, lease_expires_at_ms)
         VALUES ((SELECT ordinal FROM rollouts WHERE rollout_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        attempt.rolloutId,
        attempt.attemptNumber,
        attempt.attemptId,
        attempt.status,
        attempt.workerId,
        fencingToken,
        leaseMs,
        attempt.startedAtMs,
        attempt.lastProgressAtMs,
        attempt.leaseExpiresAtMs,
      );
    }
  }

  saveAttempts(records: readonly AttemptRecord[]): void {
    for (const { attempt } of records) {
      this.statements.run(
        `UPDATE attempts SET status = ?, last_progress_at_ms = ?, lease_expires_at_ms = ?, ended_at_ms = ?, failure = ?
         WHERE ordinal = (SELECT ordinal FROM rollouts WHERE rollout_id = ?) AND attempt_number = ?`,
        attempt.status,
        attempt.lastProgressAtMs,
        attempt.leaseExpiresAtMs,
        attempt.endedAtMs ?? null,
        encodeFailure(attempt.failure),
        attempt.rolloutId,
        attempt.attemptNumber,
      );
    }
  }

  insertSpans(spans: readonly Span[]): void {
    const [first] = spans;
    if (first === undefined) return;
    const { ordinal, attemptNumber } = this.#placeOf(first);
    let tokens = 0;
    for (const span of spans) {
      if (span.sequenceId >= spanKeyStep) {
        throw new StoreError(`rollout ${span.rolloutId} has ${span.sequenceId - 1} spans and can hold no more`, {
          code: 'store-full',
        });
      }
      const key = ordinal * spanKeyStep + span.sequenceId;
      this.statements.run(
        'INSERT INTO spans VALUES (?, ?, ?, ?, ?, ?)',
        key,
        span.spanId,
        attemptNumber,
        span.kind,
        span.name,
        encodeSpanBody(span),
      );
      tokens += this.#insertTokens(key, span);
    }
    this.statements.run(
      `UPDATE counters SET value = value + CASE name WHEN 'spans' THEN ? ELSE ? END WHERE name IN ('spans', 'tokens')`,
      spans.length,
      tokens,
    );
  }

  endSpans(spans: readonly Span[]): void {
    const [first] = spans;
    if (first === undefined) return;
    const { ordinal } = this.#placeOf(first);
    let tokens = 0;
    for (const span of spans) {
      const key = ordinal * spanKeyStep + span.sequenceId;
      this.statements.run(
        'UPDATE spans SET kind = ?, name = ?, body = ? WHERE span_key = ?',
        span.kind,
        span.name,
        encodeSpanBody(span),
        key,
      );
      tokens += this.#insertTokens(key, span);
    }
    this.#count('tokens', tokens);
  }

  #placeOf({ rolloutId, attemptId }: Span): { readonly ordinal: number; readonly attemptNumber: number } {
    return this.statements.get(
      'SELECT r.ordinal, a.attempt_number AS attemptNumber FROM rollouts r JOIN attempts a ON a.ordinal = r.ordinal WHERE r.rollout_id = ? AND a.attempt_id = ?',
      rolloutId,
      attemptId,
    ) as { ordinal: number; attemptNumber: number };
  }

  /** Returns how many there are. */
  #insertTokens(key: number, { tokens }: Span): number {
    if (tokens === undefined) return 0;
    const count = tokens.prompt.length + tokens.response.length;
    this.statements.run('INSERT INTO tokens VALUES (?, ?, ?)', key, count, packTokens(tokens));
    return count;
  }

  insertResources(given: NewResources): ResourcesVersion {
    return decodeResources(
      this.statements.get(
        `INSERT INTO resources (resources_id, version, body, created_at_ms)
       VALUES (?1, 1 + (SELECT coalesce(max(version), 0) FROM resources WHERE resources_id = ?1), ?2, ?3) RETURNING *`,
        given.resourcesId,
        JSON.stringify(given.resources),
        given.createdAtMs,
      ) as SqlRow,
    );
  }

  touchWorker(workerId: string, nowMs: number): void {
    this.statements.run(
      'INSERT INTO workers VALUES (?, ?) ON CONFLICT (worker_id) DO UPDATE SET last_seen_at_ms = max(last_seen_at_ms, excluded.last_seen_at_ms)',
      workerId,
      nowMs,
    );
  }

  appendEvents(events: readonly NewStoreEvent[]): void {
    for (const { type, id, status } of events)
      this.statements.run('INSERT INTO events (type, id, status) VALUES (?, ?, ?)', type, id, status ?? null);
  }

  trimEvents(keep: number): void {
    const removed = Number(this.readLastCursor()) - keep;
    const isDone = this.statements.run(
      `UPDATE counters SET value = ?1 WHERE name = 'events_removed' AND value < ?1`,
      Math.max(0, removed),
    );
    if (isDone > 0) this.statements.run('DELETE FROM events WHERE cursor <= ?', removed);
  }

  readUnfinished(runId: string, limit: number): readonly string[] {
    return this.statements
      .all(
        `SELECT rollout_id FROM rollouts WHERE run_id = ? AND status NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY ordinal LIMIT ?`,
        runId,
        limit,
      )
      .map((row) => row['rollout_id'] as string);
  }

  deleteRun(runId: string): number {
    this.statements.run(
      `DELETE FROM events WHERE type = 'rollout' AND id IN (SELECT rollout_id FROM rollouts WHERE run_id = ?)`,
      runId,
    );
    return this.#deleteRollouts('SELECT ordinal FROM rollouts WHERE run_id = ?', runId);
  }

  deleteEnded(endedMs: number, limit: number): number {
    return this.#deleteRollouts(
      'SELECT ordinal FROM rollouts WHERE ended_at_ms IS NOT NULL AND ended_at_ms <= ? ORDER BY ended_at_ms, ordinal LIMIT ?',
      endedMs,
      limit,
    );
  }

  /** @param chosen selects ordinals, the same ones until the rollouts themselves are deleted */
  #deleteRollouts(chosen: string, ...values: readonly (string | number)[]): number {
    const spans = `SELECT s.span_key FROM (${chosen}) r JOIN spans s ON s.span_key > r.ordinal * ${spanKeyStep} AND s.span_key < (r.ordinal + 1) * ${spanKeyStep}`;
    const tokens = this.statements.get(
      `SELECT coalesce(sum(token_count), 0) AS total FROM tokens WHERE span_key IN (${spans})`,
      ...values,
    )?.['total'] as number;
    this.#count('tokens', -tokens);
    this.statements.run(`DELETE FROM tokens WHERE span_key IN (${spans})`, ...values);
    this.#count('spans', -this.statements.run(`DELETE FROM spans WHERE span_key IN (${spans})`, ...values));
    this.statements.run(`DELETE FROM attempts WHERE ordinal IN (${chosen})`, ...values);
    this.statements.run(`DELETE FROM tasks WHERE ordinal IN (${chosen})`, ...values);
    return this.statements.run(`DELETE FROM rollouts WHERE ordinal IN (${chosen})`, ...values);
  }

  takeWatchdog(holder: string, nowMs: number, untilMs: number): boolean {
    this.statements.run(
      `INSERT INTO settings VALUES ('watchdog', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1
       WHERE value = ?1 OR (SELECT value FROM counters WHERE name = 'watchdog_until_ms') <= ?2`,
      holder,
      nowMs,
    );
    if (this.statements.get(`SELECT value FROM settings WHERE name = 'watchdog'`)?.['value'] !== holder) return false;
    this.statements.run(`UPDATE counters SET value = ? WHERE name = 'watchdog_until_ms'`, untilMs);
    return true;
  }

  /** Adds to a counter and returns its new value. */
  #count(name: 'fencing_token' | 'spans' | 'tokens', change: number): number {
    return this.statements.get('UPDATE counters SET value = value + ? WHERE name = ? RETURNING value', change, name)?.[
      'value'
    ] as number;
  }
}

function byClaimOrder(left: SqlRow, right: SqlRow): number {
  return (
    (right['priority'] as number) - (left['priority'] as number) ||
    (left['ordinal'] as number) - (right['ordinal'] as number)
  );
}
