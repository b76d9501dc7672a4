import type { ResourcesVersion, Rollout, Span, SpanQuery, StoreEvent } from '@agent-lightning/core';
import {
  attemptTransitions,
  rolloutTransitions,
  type AttemptStatus,
  type Page,
  type RolloutStatus,
  type StoreStatistics,
  type WorkerRecord,
  decodeAttempt,
  decodeEvent,
  decodeResources,
  decodeRollout,
  decodeSpan,
  decodeSpanRecord,
  openBodyStart,
  readEventCursor,
  readPageCursor,
  type AttemptRecord,
  type ClaimableFilter,
  type ResolvedRolloutQuery,
  type RolloutRecord,
  type RecordReader,
  type SpanRecord,
} from '@agent-lightning/store';
import { queuedCondition } from './queued-condition.ts';
import type { Statements } from './statements.ts';

/** Makes a span's key: `span_key = ordinal * spanKeyStep + sequence_id`. */
export const spanKeyStep: number = 2 ** 22;

/** Selects rollouts with their tasks, for `decodeRollout`. */
export const selectRollouts: string = 'SELECT * FROM rollouts JOIN tasks USING (ordinal)';

/** Reads records through one connection. Lists of ids travel as one JSON parameter, so that every statement is prepared once. */
export class SqliteReader implements RecordReader {
  protected readonly statements: Statements;

  constructor(statements: Statements) {
    this.statements = statements;
  }

  readRollouts(rolloutIds: readonly string[]): readonly RolloutRecord[] {
    const rows =
      rolloutIds.length === 1
        ? this.statements.all(`${selectRollouts} WHERE rollout_id = ?`, rolloutIds[0] as string)
        : this.statements.all(
            `${selectRollouts} WHERE rollout_id IN (SELECT value FROM json_each(?))`,
            JSON.stringify(rolloutIds),
          );
    return rows.map(decodeRollout);
  }

  queryRollouts(query: ResolvedRolloutQuery): Page<Rollout> {
    // Through any other index, all that ended before would be read: what ended since is filtered and sorted instead.
    const unindexed = query.endedSinceMs === undefined ? '' : '+';
    const conditions: string[] = [];
    const values: (string | number)[] = [];
    const add = (condition: string, value: string | number | undefined): void => {
      if (value === undefined) return;
      conditions.push(condition);
      values.push(value);
    };
    add('rollout_id IN (SELECT value FROM json_each(?))', toJson(query.rolloutIds));
    add('status IN (SELECT value FROM json_each(?))', toJson(query.statuses));
    add('mode IN (SELECT value FROM json_each(?))', toJson(query.modes));
    add(`${unindexed}run_id = ?`, query.runId);
    add(`${unindexed}group_id = ?`, query.groupId);
    add('ended_at_ms >= ?', query.endedSinceMs);
    add(
      query.order === 'asc' ? 'ordinal > ?' : 'ordinal < ?',
      query.cursor === undefined ? undefined : readPageCursor('query.cursor', query.cursor),
    );
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`;
    const rows = this.statements.all(
      `${selectRollouts} ${where} ORDER BY ${unindexed}ordinal ${query.order === 'asc' ? 'ASC' : 'DESC'} LIMIT ?`,
      ...values,
      query.limit + 1,
    );
    const items = rows.slice(0, query.limit).map((row) => decodeRollout(row).rollout);
    return rows.length <= query.limit ? { items } : { items, nextCursor: String(rows[query.limit - 1]?.['ordinal']) };
  }

  readAttempt(rolloutId: string, attemptId: string): AttemptRecord | undefined {
    const row = this.statements.get(
      'SELECT a.*, r.rollout_id FROM rollouts r JOIN attempts a ON a.ordinal = r.ordinal WHERE r.rollout_id = ? AND a.attempt_id = ?',
      rolloutId,
      attemptId,
    );
    return row === undefined ? undefined : decodeAttempt(row);
  }

  readAttempts(rolloutId: string): readonly AttemptRecord[] {
    return this.statements
      .all(
        'SELECT a.*, r.rollout_id FROM rollouts r JOIN attempts a ON a.ordinal = r.ordinal WHERE r.rollout_id = ? ORDER BY a.attempt_number',
        rolloutId,
      )
      .map(decodeAttempt);
  }

  readLatestAttempts(rolloutIds: readonly string[]): readonly AttemptRecord[] {
    return this.statements
      .all(
        `SELECT a.*, r.rollout_id FROM rollouts r JOIN attempts a ON a.ordinal = r.ordinal AND a.attempt_number = r.attempt_count
       WHERE r.rollout_id IN (SELECT value FROM json_each(?))`,
        JSON.stringify(rolloutIds),
      )
      .map(decodeAttempt);
  }

  findSpans(
    rolloutId: string,
    attemptId: string | undefined,
    spanIds: readonly string[],
  ): ReadonlyMap<string, SpanRecord> {
    const place = this.statements.get(
      `SELECT ordinal, (SELECT a.attempt_number FROM attempts a WHERE a.ordinal = r.ordinal AND a.attempt_id = ?2) AS attempt_number
       FROM rollouts r WHERE rollout_id = ?1`,
      rolloutId,
      attemptId ?? null,
    );
    if (place === undefined) return new Map();
    const rows = this.statements.all(
      `SELECT span_id, span_key & ${spanKeyStep - 1} AS sequence_id, substr(body, 1, ${openBodyStart.length}) = '${openBodyStart}' AS is_open FROM spans
       WHERE span_key >> 22 = ?1 AND span_id IN (SELECT value FROM json_each(?2)) AND (?3 IS NULL OR attempt_number = ?3)`,
      place['ordinal'] as number,
      JSON.stringify(spanIds),
      place['attempt_number'] as number | null,
    );
    return new Map(rows.map((row) => [row['span_id'] as string, decodeSpanRecord(row)]));
  }

  querySpans(query: SpanQuery): readonly Span[] {
    return query.rolloutIds.flatMap((rolloutId) => this.#spansOf(rolloutId, query));
  }

  #spansOf(rolloutId: string, { attemptId, kinds, name, spanIds, includeTokens }: SpanQuery): Span[] {
    const [columns, join] =
      includeTokens === true ? [', t.packed', 'LEFT JOIN tokens t ON t.span_key = s.span_key'] : ['', ''];
    // Each of both has an index: a rollout's spans in their order, and its spans by their ids. The `+` takes the column's type from
    // r.ordinal: SQLite compares with a column by its type, and the index is of an expression, which has none.
    const place =
      spanIds === undefined
        ? `s.span_key > r.ordinal * ${spanKeyStep} AND s.span_key < (r.ordinal + 1) * ${spanKeyStep}`
        : 's.span_key >> 22 = +r.ordinal AND s.span_id IN (SELECT value FROM json_each(?5))';
    return this.statements
      .all(
        `SELECT s.span_key & ${spanKeyStep - 1} AS sequence_id, s.span_id, s.kind, s.name, s.body, a.attempt_id ${columns}
       FROM rollouts r JOIN spans s ON ${place}
       JOIN attempts a ON a.ordinal = r.ordinal AND a.attempt_number = s.attempt_number ${join}
       WHERE r.rollout_id = ?1
         AND (?2 IS NULL OR (?2 = 'latest' AND a.attempt_number = r.attempt_count) OR a.attempt_id = ?2)
         AND (?3 IS NULL OR s.kind IN (SELECT value FROM json_each(?3)))
         AND (?4 IS NULL OR s.name = ?4)
       ORDER BY s.span_key`,
        rolloutId,
        attemptId ?? null,
        toJson(kinds) ?? null,
        name ?? null,
        ...(spanIds === undefined ? [] : [JSON.stringify(spanIds)]),
      )
      .map((row) => decodeSpan(row, rolloutId));
  }

  readResources(resourcesId: string, version?: number): ResourcesVersion | undefined {
    const row = this.statements.get(
      'SELECT * FROM resources WHERE resources_id = ?1 AND (?2 IS NULL OR version = ?2) ORDER BY version DESC LIMIT 1',
      resourcesId,
      version ?? null,
    );
    return row === undefined ? undefined : decodeResources(row);
  }

  readLatestResources(): ResourcesVersion | undefined {
    const row = this.statements.get('SELECT * FROM resources ORDER BY ordinal DESC LIMIT 1');
    return row === undefined ? undefined : decodeResources(row);
  }

  readWorkers(): readonly WorkerRecord[] {
    return this.statements
      .all(
        `SELECT w.worker_id, w.last_seen_at_ms, (SELECT count(*) FROM attempts a WHERE a.worker_id = w.worker_id AND a.ended_at_ms IS NULL) AS active
       FROM workers w ORDER BY w.worker_id`,
      )
      .map((row) => ({
        workerId: row['worker_id'] as string,
        lastSeenAtMs: row['last_seen_at_ms'] as number,
        activeAttempts: row['active'] as number,
      }));
  }

  readEvents(cursor: string, limit: number): readonly StoreEvent[] {
    const removed = this.statements.get(`SELECT value FROM counters WHERE name = 'events_removed'`)?.['value'];
    const after = readEventCursor(cursor, removed as number);
    return this.statements
      .all('SELECT * FROM events WHERE cursor > ? ORDER BY cursor LIMIT ?', after, limit)
      .map(decodeEvent);
  }

  readLastCursor(): string {
    // The sequence, not the newest record: a deleted run takes its events along, and the cursor must not go back.
    return String(
      this.statements.get(`SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0) AS cursor`)?.[
        'cursor'
      ],
    );
  }

  readNextAvailableMs(filter: ClaimableFilter): number | undefined {
    const earliest = filter.queues.map((queue) => this.#nextAvailableMs(filter, queue)).filter((at) => at !== null);
    return earliest.length === 0 ? undefined : Math.min(...earliest);
  }

  /** Returns the first claimable one found, when there is one; only else are all of them looked at. */
  #nextAvailableMs(filter: ClaimableFilter, queue: string): number | null {
    const { sql, values } = queuedCondition(filter, queue);
    const from = `FROM rollouts INDEXED BY rollouts_queued WHERE ${sql}`;
    const ready = this.statements.get(
      `SELECT available_at_ms AS at ${from} AND available_at_ms <= ? LIMIT 1`,
      ...values,
      filter.nowMs,
    );
    const next = ready ?? this.statements.get(`SELECT min(available_at_ms) AS at ${from}`, ...values);
    return next?.['at'] as number | null;
  }

  readNextDeadlineMs(): number | undefined {
    return (
      (this.statements.get('SELECT min(deadline_ms) AS at FROM rollouts WHERE deadline_ms IS NOT NULL')?.['at'] as
        | number
        | null) ?? undefined
    );
  }

  readStatistics(): StoreStatistics {
    const rows = this.statements.all('SELECT name, value FROM counters');
    const counters = new Map(rows.map((row) => [row['name'] as string, row['value'] as number]));
    const countBy = <Status extends string>(table: string, statuses: readonly Status[]): Record<Status, number> =>
      Object.fromEntries(statuses.map((status) => [status, counters.get(`${table}:${status}`) ?? 0])) as Record<
        Status,
        number
      >;
    return {
      rollouts: countBy('rollouts', Object.keys(rolloutTransitions) as RolloutStatus[]),
      attempts: countBy('attempts', Object.keys(attemptTransitions) as AttemptStatus[]),
      spans: counters.get('spans') ?? 0,
      tokens: counters.get('tokens') ?? 0,
      resources: counters.get('resources') ?? 0,
    };
  }
}

function toJson(list: readonly string[] | undefined): string | undefined {
  return list === undefined ? undefined : JSON.stringify(list);
}
