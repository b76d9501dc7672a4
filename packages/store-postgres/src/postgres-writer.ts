import {
  decodeAttempt,
  decodeResources,
  decodeRollout,
  type AttemptRecord,
  type ClaimableFilter,
  type NewResources,
  type NewStoreEvent,
  type RolloutRecord,
  type RecordWriter,
  type SqlRow,
  type SpanRecord,
} from '@agent-lightning/store';
import type { ResourcesVersion, Span } from '@agent-lightning/core';
import { Changes, sendNewRollouts } from './changes.ts';
import { PostgresReader, selectAttempts, selectRollouts } from './postgres-reader.ts';
import { queuedCondition } from './queued-condition.ts';
import { fencingTokensPerBlock } from './schema.ts';
import type { Transaction } from './transaction.ts';

/**
 * Gathers one write. Records are locked when they are read and cannot change under the write; its own changes are gathered and sent
 * at its end. A read that could miss one of them sends them first.
 */
export class PostgresWriter extends PostgresReader implements RecordWriter {
  /** Holds attempts that came with their locked rollouts, by attempt id. */
  readonly #attempts: Map<string, AttemptRecord> = new Map();
  /** Holds the newest attempt of each locked rollout, where it has one. */
  readonly #latest: Map<string, AttemptRecord | undefined> = new Map();
  #changes: Changes = new Changes();
  #hasChanges: boolean = false;
  #hasSent: boolean = false;
  #holdsPositions: boolean = false;
  readonly events: NewStoreEvent[] = [];
  readonly workers: Map<string, number> = new Map();
  readonly #hold: (rolloutIds: readonly string[]) => void;

  /** @param hold called before rollouts are locked; throws when this write has to step back */
  constructor(transaction: Transaction, hold: (rolloutIds: readonly string[]) => void) {
    super(transaction);
    this.#hold = hold;
  }

  /** Tells whether something of this write is in the transaction already, so that it cannot be left out any more. */
  get hasSent(): boolean {
    return this.#hasSent;
  }

  /** Tells whether it holds `positions`: the transaction should end with this write, since others wait for it. */
  get holdsPositions(): boolean {
    return this.#holdsPositions;
  }

  /** Sends the changes; how they fare comes out when the transaction settles. */
  send(): void {
    if (!this.#hasChanges) return;
    this.#hasSent = true;
    const changes = this.#changes;
    this.#changes = new Changes();
    this.#hasChanges = false;
    if (changes.newRollouts.length > 0) sendNewRollouts(this.transaction, changes.newRollouts);
    changes.sendRecords(this.transaction);
  }

  override async readRollouts(rolloutIds: readonly string[]): Promise<readonly RolloutRecord[]> {
    if (rolloutIds.length === 0) return [];
    this.#hold(rolloutIds);
    this.send();
    // Two statements in one round trip: the second sees the record as it was locked, not as it was before the wait for the lock.
    const locked = this.transaction.query(
      `${selectRollouts} WHERE r.rollout_id = ANY($1) ORDER BY r.ordinal FOR UPDATE OF r`,
      [rolloutIds],
    );
    const [rows] = await Promise.all([locked, this.#readLatest(rolloutIds)]);
    return rows.map(decodeRollout);
  }

  override async readAttempt(rolloutId: string, attemptId: string): Promise<AttemptRecord | undefined> {
    const known = this.#hasChanges ? undefined : this.#attempts.get(attemptId);
    if (known?.attempt.rolloutId === rolloutId) return known;
    this.send();
    return super.readAttempt(rolloutId, attemptId);
  }

  override async readAttempts(rolloutId: string): Promise<readonly AttemptRecord[]> {
    this.send();
    return super.readAttempts(rolloutId);
  }

  override async readLatestAttempts(rolloutIds: readonly string[]): Promise<readonly AttemptRecord[]> {
    if (!rolloutIds.every((rolloutId) => this.#latest.has(rolloutId))) {
      this.send();
      await this.#readLatest(rolloutIds);
    }
    return rolloutIds.flatMap((rolloutId) => this.#latest.get(rolloutId) ?? []);
  }

  async #readLatest(rolloutIds: readonly string[]): Promise<void> {
    const rows = await this.transaction.query(
      `${selectAttempts} AND a.attempt_number = r.attempt_count WHERE r.rollout_id = ANY($1)`,
      [rolloutIds],
    );
    for (const rolloutId of rolloutIds) this.#latest.set(rolloutId, undefined);
    for (const record of rows.map(decodeAttempt)) this.#remember(record);
  }

  #remember(record: AttemptRecord): void {
    this.#attempts.set(record.attempt.attemptId, record);
    this.#latest.set(record.attempt.rolloutId, record);
  }

  override async findSpans(
    rolloutId: string,
    attemptId: string | undefined,
    spanIds: readonly string[],
  ): Promise<ReadonlyMap<string, SpanRecord>> {
    this.send();
    return super.findSpans(rolloutId, attemptId, spanIds);
  }

  async lockClaimable(filter: ClaimableFilter, limit: number): Promise<readonly RolloutRecord[]> {
    this.send();
    const { sql, values } = queuedCondition(filter);
    const rows = await this.transaction.query(
      `${selectRollouts} WHERE ${sql} AND available_at_ms <= $${values.length + 1}
       ORDER BY r.priority DESC, r.ordinal LIMIT $${values.length + 2} FOR UPDATE OF r SKIP LOCKED`,
      [...values, filter.nowMs, limit],
    );
    return rows.map(decodeRollout);
  }

  async lockOverdue(nowMs: number, limit: number): Promise<readonly RolloutRecord[]> {
    this.send();
    const rows = await this.transaction.query(
      `${selectRollouts} WHERE r.deadline_ms IS NOT NULL AND r.deadline_ms <= $1 ORDER BY r.deadline_ms LIMIT $2 FOR UPDATE OF r SKIP LOCKED`,
      [nowMs, limit],
    );
    const rollouts = rows.map(decodeRollout);
    if (rollouts.length > 0) await this.#readLatest(rollouts.map((record) => record.rollout.rolloutId));
    return rollouts;
  }

  async takeFencingTokens(count: number): Promise<number> {
    // The records are locked by now, so that a later claim of one of them takes a later block.
    if (count > fencingTokensPerBlock) throw new RangeError(`${count} fencing tokens are more than a block`);
    const [row] = await this.transaction.query(`SELECT nextval('fencing_tokens') AS first`);
    return row?.['first'] as number;
  }

  insertRollouts(records: readonly RolloutRecord[]): void {
    this.#changing().insertRollouts(records);
    this.#holdsPositions = true;
  }

  saveRollouts(records: readonly RolloutRecord[]): void {
    this.#changing().saveRollouts(records);
  }

  insertAttempts(records: readonly AttemptRecord[]): void {
    for (const record of records) this.#remember(record);
    this.#changing().insertAttempts(records);
  }

  saveAttempts(records: readonly AttemptRecord[]): void {
    this.#changing().saveAttempts(records);
    for (const record of records) {
      this.#attempts.set(record.attempt.attemptId, record);
      if (this.#latest.get(record.attempt.rolloutId)?.attempt.attemptId === record.attempt.attemptId)
        this.#remember(record);
    }
  }

  insertSpans(spans: readonly Span[]): void {
    this.#changing().insertSpans(spans);
  }

  endSpans(spans: readonly Span[]): void {
    this.#changing().endSpans(spans);
  }

  async insertResources(given: NewResources): Promise<ResourcesVersion> {
    this.#hasSent = true;
    const [row] = await this.transaction.query(
      `INSERT INTO resources (resources_id, version, body, created_at_ms)
       VALUES ($1, 1 + (SELECT coalesce(max(version), 0) FROM resources WHERE resources_id = $1), $2, $3)
       RETURNING resources_id, version, body, created_at_ms`,
      [given.resourcesId, JSON.stringify(given.resources), given.createdAtMs],
    );
    return decodeResources(row as SqlRow);
  }

  touchWorker(workerId: string, nowMs: number): void {
    this.workers.set(workerId, nowMs);
  }

  appendEvents(events: readonly NewStoreEvent[]): void {
    for (const event of events) this.events.push(event);
  }

  async trimEvents(keep: number): Promise<void> {
    const [position] = await this.transaction.query('SELECT event, events_removed FROM positions');
    const removed = (position?.['event'] as number) - keep;
    if (removed <= (position?.['events_removed'] as number)) return;
    this.#hasSent = true;
    this.#holdsPositions = true;
    await this.transaction.query('DELETE FROM events WHERE cursor <= $1', [removed]);
    await this.transaction.query('UPDATE positions SET events_removed = greatest(events_removed, $1)', [removed]);
  }

  async readUnfinished(runId: string, limit: number): Promise<readonly string[]> {
    this.send();
    const rows = await this.transaction.query(
      `SELECT rollout_id FROM rollouts WHERE run_id = $1 AND status NOT IN ('succeeded', 'failed', 'cancelled') ORDER BY ordinal LIMIT $2`,
      [runId, limit],
    );
    return rows.map((row) => row['rollout_id'] as string);
  }

  async deleteRun(runId: string): Promise<number> {
    // Final rollouts only: one that was added meanwhile is not of the run that is deleted here.
    const gone = await this.#deleteRollouts(`run_id = $1 AND status IN ('succeeded', 'failed', 'cancelled')`, [runId]);
    await this.transaction.query(`DELETE FROM events WHERE type = 'rollout' AND id = ANY($1::text[])`, [gone]);
    return gone.length;
  }

  async deleteEnded(endedMs: number, limit: number): Promise<number> {
    const chosen = `SELECT ordinal FROM rollouts WHERE ended_at_ms IS NOT NULL AND ended_at_ms <= $1
      ORDER BY ended_at_ms LIMIT $2 FOR UPDATE SKIP LOCKED`;
    return (await this.#deleteRollouts(`ordinal = ANY(ARRAY(${chosen}))`, [endedMs, limit])).length;
  }

  /** Deletes rollouts with all that is theirs but their events. Returns their ids. */
  async #deleteRollouts(condition: string, values: readonly unknown[]): Promise<readonly unknown[]> {
    this.send();
    this.#hasSent = true;
    const gone = await this.transaction.query(
      `DELETE FROM rollouts WHERE ${condition} RETURNING ordinal, rollout_id`,
      values,
    );
    const ordinals = gone.map((row) => row['ordinal']);
    for (const table of ['tokens', 'spans', 'attempts', 'tasks'])
      this.transaction.send(`DELETE FROM ${table} WHERE ordinal = ANY($1::bigint[])`, [ordinals]);
    return gone.map((row) => row['rollout_id']);
  }

  async takeWatchdog(holder: string, nowMs: number, untilMs: number): Promise<boolean> {
    this.#hasSent = true;
    const rows = await this.transaction.query(
      'UPDATE watchdog SET holder = $1, until_ms = $3 WHERE holder = $1 OR until_ms <= $2 RETURNING holder',
      [holder, nowMs, untilMs],
    );
    return rows.length > 0;
  }

  #changing(): Changes {
    this.#hasChanges = true;
    return this.#changes;
  }
}
