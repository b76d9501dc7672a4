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
import type { Transaction } from './transaction.ts';

/** Rollouts with their tasks, for `decodeRollout`; the task of a rollout never changes. */
export const selectRollouts: string = `SELECT r.ordinal, r.rollout_id, r.status, r.mode, r.queue, r.priority, r.run_id, r.group_id,
  r.attempt_count, r.last_sequence_id, r.created_at_ms, r.available_at_ms, r.ended_at_ms, r.deadline_ms, r.failure, t.input, t.settings
  FROM rollouts r JOIN tasks t ON t.ordinal = r.ordinal`;

/** Attempts of rollouts `r`, for `decodeAttempt`. */
export const selectAttempts: string = `SELECT r.rollout_id, a.attempt_number, a.attempt_id, a.status, a.worker_id, a.fencing_token, a.lease_ms,
  a.started_at_ms, a.last_progress_at_ms, a.lease_expires_at_ms, a.ended_at_ms, a.failure FROM rollouts r JOIN attempts a ON a.ordinal = r.ordinal`;

/** Reads records inside one transaction. */
export class PostgresReader implements RecordReader {
  protected readonly transaction: Transaction;

  constructor(transaction: Transaction) {
    this.transaction = transaction;
  }

  async readRollouts(rolloutIds: readonly string[]): Promise<readonly RolloutRecord[]> {
    const rows = await this.transaction.query(`${selectRollouts} WHERE r.rollout_id = ANY($1)`, [rolloutIds]);
    return rows.map(decodeRollout);
  }

  async queryRollouts(query: ResolvedRolloutQuery): Promise<Page<Rollout>> {
    const conditions: string[] = [];
    const values: unknown[] = [];
    const add = (value: unknown, sql: (parameter: string) => string): void => {
      if (value === undefined) return;
      values.push(value);
      conditions.push(sql(`$${values.length}`));
    };
    const isAscending = query.order === 'asc';
    const { cursor } = query;
    add(query.rolloutIds, (ids) => `r.rollout_id = ANY(${ids}::text[])`);
    add(query.statuses, (statuses) => `r.status = ANY(${statuses}::text[])`);
    add(query.modes, (modes) => `r.mode = ANY(${modes}::text[])`);
    add(query.runId, (id) => `r.run_id = ${id}`);
    add(query.groupId, (id) => `r.group_id = ${id}`);
    // As a number in the text: of a time that it does not know, a plan takes a third of the rollouts to have ended since.
    if (query.endedSinceMs !== undefined) conditions.push(`r.ended_at_ms >= ${Math.trunc(query.endedSinceMs)}`);
    add(
      cursor === undefined ? undefined : readPageCursor('query.cursor', cursor),
      (at) => `r.ordinal ${isAscending ? '>' : '<'} ${at}`,
    );
    values.push(query.limit + 1);
    // In the order of its index, all that ended before would be read: those that are asked for are sorted.
    const ordinal = query.endedSinceMs === undefined ? 'r.ordinal' : 'r.ordinal + 0';
    const rows = await this.transaction.query(
      `${selectRollouts} ${conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`}
       ORDER BY ${ordinal} ${isAscending ? 'ASC' : 'DESC'} LIMIT $${values.length}`,
      values,
      query.endedSinceMs === undefined ? 'prepared' : 'anew',
    );
    const items = rows.slice(0, query.limit).map((row) => decodeRollout(row).rollout);
    return rows.length <= query.limit ? { items } : { items, nextCursor: String(rows[query.limit - 1]?.['ordinal']) };
  }

  async readAttempt(rolloutId: string, attemptId: string): Promise<AttemptRecord | undefined> {
    const [row] = await this.transaction.query(`${selectAttempts} WHERE r.rollout_id = $1 AND a.attempt_id = $2`, [
      rolloutId,
      attemptId,
    ]);
    return row === undefined ? undefined : decodeAttempt(row);
  }

  async readAttempts(rolloutId: string): Promise<readonly AttemptRecord[]> {
    const rows = await this.transaction.query(`${selectAttempts} WHERE r.rollout_id = $1 ORDER BY a.attempt_number`, [
      rolloutId,
    ]);
    return rows.map(decodeAttempt);
  }

  async readLatestAttempts(rolloutIds: readonly string[]): Promise<readonly AttemptRecord[]> {
    const rows = await this.transaction.query(
      `${selectAttempts} AND a.attempt_number = r.attempt_count WHERE r.rollout_id = ANY($1)`,
      [rolloutIds],
    );
    return rows.map(decodeAttempt);
  }

  async findSpans(
    rolloutId: string,
    attemptId: string | undefined,
    spanIds: readonly string[],
  ): Promise<ReadonlyMap<string, SpanRecord>> {
    const rows = await this.transaction.query(
      `SELECT s.span_id, s.sequence_id, left(s.body, ${openBodyStart.length}) = '${openBodyStart}' AS is_open FROM rollouts r JOIN spans s ON s.ordinal = r.ordinal
       WHERE r.rollout_id = $1 AND s.span_id = ANY($2) AND ($3::text IS NULL OR s.attempt_number =
         (SELECT a.attempt_number FROM attempts a WHERE a.ordinal = r.ordinal AND a.attempt_id = $3))`,
      [rolloutId, spanIds, attemptId ?? null],
    );
    return new Map(rows.map((row) => [row['span_id'] as string, decodeSpanRecord(row)]));
  }

  async querySpans({
    rolloutIds,
    attemptId,
    kinds,
    name,
    spanIds,
    includeTokens,
  }: SpanQuery): Promise<readonly Span[]> {
    const [column, join] =
      includeTokens === true
        ? [', k.packed', 'LEFT JOIN tokens k ON k.ordinal = s.ordinal AND k.sequence_id = s.sequence_id']
        : ['', ''];
    const rows = await this.transaction.query(
      `SELECT r.rollout_id, s.sequence_id, s.span_id, s.kind, s.name, s.body, a.attempt_id ${column}
       FROM unnest($1::text[]) WITH ORDINALITY AS asked (rollout_id, place)
       JOIN rollouts r ON r.rollout_id = asked.rollout_id JOIN spans s ON s.ordinal = r.ordinal
       JOIN attempts a ON a.ordinal = s.ordinal AND a.attempt_number = s.attempt_number ${join}
       WHERE ($2::text IS NULL OR ($2 = 'latest' AND a.attempt_number = r.attempt_count) OR a.attempt_id = $2)
         AND ($3::text[] IS NULL OR s.kind = ANY($3)) AND ($4::text IS NULL OR s.name = $4)
         ${spanIds === undefined ? '' : 'AND s.span_id = ANY($5)'}
       ORDER BY asked.place, s.sequence_id`,
      [rolloutIds, attemptId ?? null, kinds ?? null, name ?? null, ...(spanIds === undefined ? [] : [spanIds])],
    );
    return rows.map((row) => decodeSpan(row, row['rollout_id'] as string));
  }

  async readResources(resourcesId: string, version?: number): Promise<ResourcesVersion | undefined> {
    const [row] = await this.transaction.query(
      `SELECT resources_id, version, body, created_at_ms FROM resources
       WHERE resources_id = $1 AND ($2::int IS NULL OR version = $2) ORDER BY version DESC LIMIT 1`,
      [resourcesId, version ?? null],
    );
    return row === undefined ? undefined : decodeResources(row);
  }

  async readLatestResources(): Promise<ResourcesVersion | undefined> {
    const [row] = await this.transaction.query(
      'SELECT resources_id, version, body, created_at_ms FROM resources ORDER BY ordinal DESC LIMIT 1',
    );
    return row === undefined ? undefined : decodeResources(row);
  }

  async readWorkers(): Promise<readonly WorkerRecord[]> {
    const rows = await this.transaction.query(
      `SELECT w.worker_id, w.last_seen_at_ms,
         (SELECT count(*) FROM attempts a WHERE a.worker_id = w.worker_id AND a.ended_at_ms IS NULL) AS active
       FROM workers w ORDER BY w.worker_id`,
    );
    return rows.map((row) => ({
      workerId: row['worker_id'] as string,
      lastSeenAtMs: row['last_seen_at_ms'] as number,
      activeAttempts: row['active'] as number,
    }));
  }

  async readEvents(cursor: string, limit: number): Promise<readonly StoreEvent[]> {
    const [position] = await this.transaction.query('SELECT events_removed FROM positions');
    const after = readEventCursor(cursor, position?.['events_removed'] as number);
    const rows = await this.transaction.query(
      'SELECT cursor, type, id, status FROM events WHERE cursor > $1 ORDER BY cursor LIMIT $2',
      [after, limit],
    );
    return rows.map(decodeEvent);
  }

  async readLastCursor(): Promise<string> {
    const [row] = await this.transaction.query('SELECT event FROM positions');
    return String(row?.['event']);
  }

  async readNextAvailableMs(filter: ClaimableFilter): Promise<number | undefined> {
    const { sql, values } = queuedCondition(filter);
    const from = `FROM rollouts WHERE ${sql}`;
    // The first claimable one found, when there is one; only else are all of them looked at.
    const [ready] = await this.transaction.query(
      `SELECT available_at_ms AS at ${from} AND available_at_ms <= $${values.length + 1} LIMIT 1`,
      [...values, filter.nowMs],
    );
    const [next] =
      ready === undefined ? await this.transaction.query(`SELECT min(available_at_ms) AS at ${from}`, values) : [ready];
    return (next?.['at'] as number | null) ?? undefined;
  }

  async readNextDeadlineMs(): Promise<number | undefined> {
    const [row] = await this.transaction.query(
      'SELECT min(deadline_ms) AS at FROM rollouts WHERE deadline_ms IS NOT NULL',
    );
    return (row?.['at'] as number | null) ?? undefined;
  }

  async readStatistics(): Promise<StoreStatistics> {
    const rows = await this.transaction.query('SELECT name, sum(total)::bigint AS total FROM counts GROUP BY name');
    const counts = new Map(rows.map((row) => [row['name'] as string, row['total'] as number]));
    const [resources] = await this.transaction.query('SELECT count(*) AS total FROM resources');
    return {
      rollouts: countsOf(counts, 'rollouts', Object.keys(rolloutTransitions) as RolloutStatus[]),
      attempts: countsOf(counts, 'attempts', Object.keys(attemptTransitions) as AttemptStatus[]),
      spans: counts.get('spans') ?? 0,
      tokens: counts.get('tokens') ?? 0,
      resources: resources?.['total'] as number,
    };
  }
}

function countsOf<Status extends string>(
  counts: ReadonlyMap<string, number>,
  table: string,
  statuses: readonly Status[],
): Record<Status, number> {
  return Object.fromEntries(statuses.map((status) => [status, counts.get(`${table}:${status}`) ?? 0])) as Record<
    Status,
    number
  >;
}
