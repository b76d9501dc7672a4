import {
  encodeFailure,
  encodeSettings,
  encodeSpanBody,
  packTokens,
  type AttemptRecord,
  type NewStoreEvent,
  type RolloutRecord,
} from '@agent-lightning/store';
import type { Span } from '@agent-lightning/core';
import type { Transaction } from './transaction.ts';

/**
 * Gathers what one write changes, so that it travels in few statements, each with its records as one JSON document. Nothing is sent
 * before the write has decided everything: one that rejects leaves no trace in the transaction that it shares with others.
 */
export class Changes {
  readonly newRollouts: RolloutRecord[] = [];
  readonly events: NewStoreEvent[] = [];
  readonly #rollouts: Map<string, RolloutRecord> = new Map();
  readonly #newAttempts: AttemptRecord[] = [];
  readonly #attempts: Map<string, AttemptRecord> = new Map();
  readonly #spans: { readonly statement: string; readonly spans: readonly Span[] }[] = [];

  insertRollouts(records: readonly RolloutRecord[]): void {
    for (const record of records) this.newRollouts.push(record);
  }

  saveRollouts(records: readonly RolloutRecord[]): void {
    for (const record of records) this.#rollouts.set(record.rollout.rolloutId, record);
  }

  insertAttempts(records: readonly AttemptRecord[]): void {
    for (const record of records) this.#newAttempts.push(record);
  }

  saveAttempts(records: readonly AttemptRecord[]): void {
    for (const record of records) this.#attempts.set(record.attempt.attemptId, record);
  }

  /** @param spans of one attempt */
  insertSpans(spans: readonly Span[]): void {
    if (spans.length > 0) this.#spans.push({ statement: insertSpans, spans });
  }

  /** @param spans of one attempt */
  endSpans(spans: readonly Span[]): void {
    if (spans.length > 0) this.#spans.push({ statement: updateSpans, spans });
  }

  /** Sends everything but new rollouts. */
  sendRecords(transaction: Transaction): void {
    if (this.#newAttempts.length > 0)
      transaction.send(insertAttempts, [JSON.stringify(this.#newAttempts.map(attemptColumns))]);
    if (this.#attempts.size > 0)
      transaction.send(updateAttempts, [JSON.stringify(Array.from(this.#attempts.values(), attemptColumns))]);
    const tokens = new Map<string, number>();
    for (const { statement, spans } of this.#spans) {
      const { rolloutId } = spans[0] as Span;
      tokens.set(rolloutId, (tokens.get(rolloutId) ?? 0) + sendSpans(transaction, statement, spans));
    }
    if (this.#rollouts.size > 0) {
      const columns = Array.from(this.#rollouts.values(), (record) => ({
        ...rolloutColumns(record),
        added_tokens: tokens.get(record.rollout.rolloutId) ?? 0,
      }));
      transaction.send(updateRollouts, [JSON.stringify(columns)]);
    }
    for (const [rolloutId, count] of tokens) {
      if (!this.#rollouts.has(rolloutId)) transaction.send(countTokens, [rolloutId, count]);
    }
  }
}

/** Workers are touched at the end, in one order everywhere, so that two transactions cannot wait for each other. */
export function sendWorkers(transaction: Transaction, workers: ReadonlyMap<string, number>): void {
  const sorted = [...workers].sort(([left], [right]) => (left < right ? -1 : 1));
  transaction.send(upsertWorkers, [sorted.map(([workerId]) => workerId), sorted.map(([, nowMs]) => nowMs)]);
}

/** Gives new rollouts their places in the queue, at the end of the transaction: until its commit nobody else can take one. */
export function sendNewRollouts(transaction: Transaction, records: readonly RolloutRecord[]): void {
  const columns = records.map(({ rollout, ...record }, index) => ({
    ...rolloutColumns({ rollout, ...record }),
    place: index + 1,
    mode: rollout.mode,
    queue: rollout.queue,
    priority: rollout.priority,
    run_id: rollout.runId,
    group_id: rollout.groupId,
    worker_tags: rollout.workerTags,
    created_at_ms: rollout.createdAtMs,
    input: JSON.stringify(rollout.input),
    settings: encodeSettings(rollout),
  }));
  transaction.send(insertRollouts, [JSON.stringify(columns), records.length]);
}

/** Events take their cursors at the end of the transaction, in the order of commits. */
export function sendEvents(
  transaction: Transaction,
  events: readonly NewStoreEvent[],
  channel: string,
  sender: string,
): void {
  transaction.send(insertEvents, [
    events.length,
    events.map((event) => event.type),
    events.map((event) => event.id),
    events.map((event) => event.status ?? null),
    channel,
    sender,
  ]);
}

function rolloutColumns({ rollout, lastSequenceId, deadlineMs }: RolloutRecord): Readonly<Record<string, unknown>> {
  return {
    rollout_id: rollout.rolloutId,
    status: rollout.status,
    attempt_count: rollout.attemptCount,
    last_sequence_id: lastSequenceId,
    available_at_ms: rollout.availableAtMs,
    ended_at_ms: rollout.endedAtMs,
    deadline_ms: deadlineMs,
    failure: encodeFailure(rollout.failure),
  };
}

function attemptColumns({ attempt, fencingToken, leaseMs }: AttemptRecord): Readonly<Record<string, unknown>> {
  return {
    rollout_id: attempt.rolloutId,
    attempt_number: attempt.attemptNumber,
    attempt_id: attempt.attemptId,
    status: attempt.status,
    worker_id: attempt.workerId,
    fencing_token: fencingToken,
    lease_ms: leaseMs,
    started_at_ms: attempt.startedAtMs,
    last_progress_at_ms: attempt.lastProgressAtMs,
    lease_expires_at_ms: attempt.leaseExpiresAtMs,
    ended_at_ms: attempt.endedAtMs,
    failure: encodeFailure(attempt.failure),
  };
}

/** Sends the spans of one attempt and returns how many tokens they hold. The tokens travel as one binary parameter, which the server cuts. */
function sendSpans(transaction: Transaction, statement: string, spans: readonly Span[]): number {
  const packed: Uint8Array[] = [];
  let [at, tokens] = [0, 0];
  const columns = spans.map((span) => {
    const column = {
      sequence_id: span.sequenceId,
      span_id: span.spanId,
      kind: span.kind,
      name: span.name,
      body: encodeSpanBody(span),
    };
    if (span.tokens === undefined) return column;
    const bytes = packTokens(span.tokens);
    packed.push(bytes);
    tokens += span.tokens.prompt.length + span.tokens.response.length;
    const from = at;
    at += bytes.length;
    return { ...column, at: from + 1, size: bytes.length };
  });
  const [{ rolloutId, attemptId }] = spans as [Span];
  transaction.send(statement, [rolloutId, attemptId, JSON.stringify(columns), Buffer.concat(packed)]);
  return tokens;
}

const insertRollouts = `
  WITH given AS (SELECT * FROM json_to_recordset($1) AS x (place bigint, rollout_id text, status text, mode text, queue text,
      priority bigint, run_id text, group_id text, worker_tags text[], attempt_count int, last_sequence_id int, created_at_ms bigint,
      available_at_ms bigint, deadline_ms bigint, input text, settings text)),
    position AS (UPDATE positions SET rollout = rollout + $2::int RETURNING rollout - $2::int AS base),
    added AS (INSERT INTO rollouts (ordinal, rollout_id, status, mode, queue, priority, run_id, group_id, worker_tags, attempt_count,
        last_sequence_id, created_at_ms, available_at_ms, deadline_ms)
      SELECT base + place, rollout_id, status, mode, queue, priority, run_id, group_id, worker_tags, attempt_count, last_sequence_id,
        created_at_ms, available_at_ms, deadline_ms FROM position, given)
  INSERT INTO tasks SELECT base + place, input, settings FROM position, given`;

const updateRollouts = `
  UPDATE rollouts r SET status = x.status, attempt_count = x.attempt_count, last_sequence_id = x.last_sequence_id,
    available_at_ms = x.available_at_ms, ended_at_ms = x.ended_at_ms, deadline_ms = x.deadline_ms, failure = x.failure,
    token_count = r.token_count + x.added_tokens
  FROM json_to_recordset($1) AS x (rollout_id text, status text, attempt_count int, last_sequence_id int, available_at_ms bigint,
    ended_at_ms bigint, deadline_ms bigint, failure text, added_tokens bigint)
  WHERE r.rollout_id = x.rollout_id`;

const countTokens = 'UPDATE rollouts SET token_count = token_count + $2::bigint WHERE rollout_id = $1';

const insertAttempts = `
  INSERT INTO attempts (ordinal, attempt_number, attempt_id, status, worker_id, fencing_token, lease_ms, started_at_ms,
    last_progress_at_ms, lease_expires_at_ms, ended_at_ms, failure)
  SELECT r.ordinal, x.attempt_number, x.attempt_id, x.status, x.worker_id, x.fencing_token, x.lease_ms, x.started_at_ms,
    x.last_progress_at_ms, x.lease_expires_at_ms, x.ended_at_ms, x.failure
  FROM json_to_recordset($1) AS x (rollout_id text, attempt_number int, attempt_id text, status text, worker_id text,
    fencing_token bigint, lease_ms bigint, started_at_ms bigint, last_progress_at_ms bigint, lease_expires_at_ms bigint,
    ended_at_ms bigint, failure text)
  JOIN rollouts r ON r.rollout_id = x.rollout_id`;

const updateAttempts = `
  UPDATE attempts a SET status = x.status, last_progress_at_ms = x.last_progress_at_ms, lease_expires_at_ms = x.lease_expires_at_ms,
    ended_at_ms = x.ended_at_ms, failure = x.failure
  FROM json_to_recordset($1) AS x (rollout_id text, attempt_number int, status text, last_progress_at_ms bigint,
    lease_expires_at_ms bigint, ended_at_ms bigint, failure text), rollouts r
  WHERE r.rollout_id = x.rollout_id AND a.ordinal = r.ordinal AND a.attempt_number = x.attempt_number`;

/** The spans of one attempt; their tokens are inserted, whatever is done with the spans. */
const givenSpans = `
  WITH place AS (SELECT r.ordinal, a.attempt_number FROM rollouts r JOIN attempts a ON a.ordinal = r.ordinal
      WHERE r.rollout_id = $1 AND a.attempt_id = $2),
    given AS (SELECT * FROM json_to_recordset($3) AS x (sequence_id int, span_id text, kind text, name text, body text, at int, size int)),
    blobs AS (INSERT INTO tokens SELECT ordinal, sequence_id, substring($4::bytea FROM at FOR size) FROM place, given WHERE at IS NOT NULL)`;

const insertSpans = `${givenSpans}
  INSERT INTO spans (ordinal, sequence_id, span_id, attempt_number, kind, name, body)
  SELECT ordinal, sequence_id, span_id, attempt_number, kind, name, body FROM place, given`;

const updateSpans = `${givenSpans}
  UPDATE spans s SET kind = given.kind, name = given.name, body = given.body FROM place, given
  WHERE s.ordinal = place.ordinal AND s.sequence_id = given.sequence_id`;

const upsertWorkers = `
  INSERT INTO workers SELECT * FROM unnest($1::text[], $2::bigint[])
  ON CONFLICT (worker_id) DO UPDATE SET last_seen_at_ms = greatest(workers.last_seen_at_ms, excluded.last_seen_at_ms)`;

const insertEvents = `
  WITH position AS (UPDATE positions SET event = event + $1::int RETURNING event - $1::int AS base),
    added AS (INSERT INTO events (cursor, type, id, status)
      SELECT base + place, type, id, status FROM position, unnest($2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS x (type, id, status, place))
  SELECT pg_notify($5, $6)`;
