import { isDeepStrictEqual } from 'node:util';
import {
  isFinalAttemptStatus,
  isFinalRolloutStatus,
  type Lease,
  type NamedResources,
  type ResourcesVersion,
  type Rollout,
  endsOpenSpan,
  type Span,
  type SpanInput,
  type Claim,
  type HeartbeatReply,
} from '@agent-lightning/core';
import type { ResolvedClaim, ResolvedEnqueue, ResolvedFailure } from './request-checks.ts';
import {
  claimRollout,
  endAttempt,
  endQueued,
  newRollout,
  recordProgress,
  succeed,
  type Decision,
} from './rollout-rules.ts';
import type { Write } from './record-access.ts';
import type { AttemptRow, ClaimFilter, RolloutRow, RowWriter } from './rows.ts';
import { conflict, fenced, notFound } from './store-errors.ts';
import { judge } from './overdue-rules.ts';

export async function enqueueRollouts(write: Write, requests: readonly ResolvedEnqueue[]): Promise<readonly Rollout[]> {
  const { rows, nowMs } = write;
  const given = requests.flatMap((request) => (request.rolloutId === undefined ? [] : [request.rolloutId]));
  const known = new Map(
    (await rows.readRollouts([...new Set(given)])).map((row) => [row.rollout.rolloutId, row.rollout]),
  );
  const latest = await defaultResources(write, requests);
  const added: RolloutRow[] = [];
  const rollouts = requests.map((request) => {
    const stored = request.rolloutId === undefined ? undefined : known.get(request.rolloutId);
    if (stored !== undefined) return sameTask(stored, request);
    const row = newRollout(request, request.rolloutId ?? write.generateId('ro'), request.resourcesId ?? latest, nowMs);
    known.set(row.rollout.rolloutId, row.rollout);
    added.push(row);
    return row.rollout;
  });
  if (added.length > 0) await rows.insertRollouts(added);
  for (const { rollout } of added)
    write.events.push({ type: 'rollout', id: rollout.rolloutId, status: rollout.status });
  return rollouts;
}

/** The latest resources' id, read only when a request wants the default. @throws when a named one is missing */
async function defaultResources(write: Write, requests: readonly ResolvedEnqueue[]): Promise<string | undefined> {
  for (const resourcesId of new Set(requests.map((request) => request.resourcesId))) {
    if (resourcesId !== undefined && (await write.rows.readResources(resourcesId)) === undefined)
      throw notFound('resources', resourcesId);
  }
  return requests.some((request) => request.resourcesId === undefined)
    ? (await write.rows.readLatestResources())?.resourcesId
    : undefined;
}

function sameTask(stored: Rollout, request: ResolvedEnqueue): Rollout {
  const fields = ['input', 'mode', 'runId', 'groupId'] as const;
  for (const field of fields) {
    if (!isDeepStrictEqual(stored[field], request[field])) {
      throw conflict(
        `rollout ${stored.rolloutId} is already in this store with another ${field}; use a new id, or enqueue the same task again`,
      );
    }
  }
  return stored;
}

export async function claimRollouts(
  write: Write,
  claim: ResolvedClaim,
  filter: ClaimFilter,
): Promise<readonly Claim[]> {
  const { rows, nowMs } = write;
  await rows.touchWorker(claim.workerId, nowMs);
  const candidates = await rows.lockClaimable({ ...filter, nowMs }, claim.limit);
  if (candidates.length === 0) return [];
  const firstToken = await rows.takeFencingTokens(candidates.length);
  const decisions = candidates.map((row, index) =>
    claimRollout(row, claim, write.generateId('at'), firstToken + index, nowMs),
  );
  await rows.insertAttempts(decisions.map((decision) => decision.attempt));
  await rows.saveRollouts(decisions.map((decision) => decision.rollout));
  return decisions.map(({ rollout: { rollout }, attempt: { attempt, fencingToken } }) => {
    write.events.push({ type: 'rollout', id: rollout.rolloutId, status: rollout.status });
    return { rollout, attempt, lease: { rolloutId: rollout.rolloutId, attemptId: attempt.attemptId, fencingToken } };
  });
}

interface Held {
  readonly row: RolloutRow;
  readonly held: AttemptRow;
}

/** The rows that a lease is for. @throws `store-fenced` when the token is not the attempt's */
async function readHeld(rows: RowWriter, lease: Lease): Promise<Held> {
  const [row] = await rows.readRollouts([lease.rolloutId]);
  if (row === undefined) throw notFound('rollout', lease.rolloutId);
  const held = await rows.readAttempt(lease.rolloutId, lease.attemptId);
  if (held === undefined) throw notFound('attempt', lease.attemptId);
  if (held.fencingToken !== lease.fencingToken) throw fenced(lease, 'another claim holds this attempt');
  return { row, held };
}

async function save(write: Write, before: RolloutRow, decision: Decision): Promise<Rollout> {
  await write.rows.saveAttempts([decision.attempt]);
  return saveRollout(write, before, decision.rollout);
}

async function saveRollout(write: Write, before: RolloutRow, after: RolloutRow): Promise<Rollout> {
  await write.rows.saveRollouts([after]);
  const { rolloutId, status } = after.rollout;
  if (status !== before.rollout.status) write.events.push({ type: 'rollout', id: rolloutId, status });
  return after.rollout;
}

function refuseFinal(lease: Lease, { held }: Held): void {
  if (isFinalAttemptStatus(held.attempt.status)) throw fenced(lease, `the attempt is over (${held.attempt.status})`);
}

export async function extendLease(write: Write, lease: Lease): Promise<HeartbeatReply> {
  const found = await readHeld(write.rows, lease);
  const { row, held } = found;
  if (held.attempt.status === 'cancelled')
    return { state: 'cancelled', leaseExpiresAtMs: held.attempt.leaseExpiresAtMs };
  refuseFinal(lease, found);
  const decision = recordProgress(row, held, write.nowMs, true);
  await save(write, row, decision);
  await write.rows.touchWorker(held.attempt.workerId, write.nowMs);
  return { state: 'running', leaseExpiresAtMs: decision.attempt.attempt.leaseExpiresAtMs };
}

export async function completeAttempt(write: Write, lease: Lease): Promise<Rollout> {
  const found = await readHeld(write.rows, lease);
  if (found.held.attempt.status === 'succeeded') return found.row.rollout;
  refuseFinal(lease, found);
  return save(write, found.row, succeed(found.row, found.held, write.nowMs));
}

export async function failAttempt(
  write: Write,
  lease: Lease,
  { status, ...failure }: ResolvedFailure,
): Promise<Rollout> {
  const found = await readHeld(write.rows, lease);
  const { attempt } = found.held;
  const isRepeated =
    attempt.status === status && attempt.failure?.code === failure.code && attempt.failure.message === failure.message;
  if (isRepeated) return found.row.rollout;
  refuseFinal(lease, found);
  return save(write, found.row, endAttempt(found.row, found.held, status, failure, write.nowMs));
}

export async function cancelRollout(write: Write, rolloutId: string, message: string): Promise<Rollout> {
  const [row] = await write.rows.readRollouts([rolloutId]);
  if (row === undefined) throw notFound('rollout', rolloutId);
  if (isFinalRolloutStatus(row.rollout.status)) return row.rollout;
  const failure = { code: 'cancelled', message };
  const live = await readLive(write.rows, row);
  if (live === undefined) return saveRollout(write, row, endQueued(row, 'cancelled', failure, write.nowMs));
  return save(write, row, endAttempt(row, live, 'cancelled', failure, write.nowMs, false));
}

async function readLive(rows: RowWriter, row: RolloutRow): Promise<AttemptRow | undefined> {
  const [latest] = await rows.readLatestAttempts([row.rollout.rolloutId]);
  return latest === undefined || isFinalAttemptStatus(latest.attempt.status) ? undefined : latest;
}

export async function appendSpans(write: Write, lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]> {
  const found = await readHeld(write.rows, lease);
  const { row, held } = found;
  const { rolloutId, attemptId } = lease;
  const stored = await write.rows.findSpans(
    rolloutId,
    attemptId,
    spans.map((span) => span.spanId),
  );
  const added = new Map<string, Span>();
  const ended = new Map<string, Span>();
  let last = row.lastSequenceId;
  for (const span of spans) {
    const { spanId } = span;
    const known = added.get(spanId) ?? ended.get(spanId) ?? stored.get(spanId);
    if (known !== undefined && !endsOpenSpan(span, known)) continue;
    const sequenceId = known?.sequenceId ?? ++last;
    (stored.has(spanId) ? ended : added).set(spanId, { ...span, rolloutId, attemptId, sequenceId });
  }
  if (added.size + ended.size > 0) {
    refuseFinal(lease, found);
    await write.rows.insertSpans([...added.values()]);
    await write.rows.endSpans([...ended.values()]);
    await save(write, row, recordProgress(row, held, write.nowMs, false, last));
  }
  return spans.map(({ spanId }) => (added.get(spanId) ?? stored.get(spanId))?.sequenceId as number);
}

export async function addReward(write: Write, rolloutId: string, span: SpanInput): Promise<number> {
  const { rows } = write;
  const [row] = await rows.readRollouts([rolloutId]);
  if (row === undefined) throw notFound('rollout', rolloutId);
  const stored = (await rows.findSpans(rolloutId, undefined, [span.spanId])).get(span.spanId);
  if (stored !== undefined) return stored.sequenceId;
  const [latest] = await rows.readLatestAttempts([rolloutId]);
  if (latest === undefined) throw conflict(`rollout ${rolloutId} has no attempt yet, so there is nothing to reward`);
  const sequenceId = row.lastSequenceId + 1;
  await rows.insertSpans([{ ...span, rolloutId, attemptId: latest.attempt.attemptId, sequenceId }]);
  await rows.saveRollouts([{ ...row, lastSequenceId: sequenceId }]);
  return sequenceId;
}

export async function putResources(
  { rows, nowMs, events }: Write,
  resourcesId: string,
  resources: NamedResources,
): Promise<ResourcesVersion> {
  events.push({ type: 'resources', id: resourcesId });
  return rows.insertResources({ resourcesId, resources, createdAtMs: nowMs });
}

/** Ends at most `limit` overdue rollouts and attempts; returns how many rows were overdue and how many ends that made. */
export async function sweepOverdue(
  write: Write,
  limit: number,
): Promise<{ readonly seen: number; readonly ended: number }> {
  const overdue = await write.rows.lockOverdue(write.nowMs, limit);
  let ended = 0;
  for (const row of overdue) {
    const verdict = judge(row, await readLive(write.rows, row), write.nowMs);
    if (verdict === undefined) continue;
    if (verdict.attempt !== undefined) await write.rows.saveAttempts([verdict.attempt]);
    await saveRollout(write, row, verdict.rollout);
    ended += verdict.ended;
  }
  return { seen: overdue.length, ended };
}

export async function removeRun(write: Write, runId: string): Promise<number> {
  const unfinished = await write.rows.readUnfinished(runId, 4);
  if (unfinished.length > 0) {
    throw conflict(
      `run ${runId} has rollouts that are not final (${unfinished.slice(0, 3).join(', ')}${unfinished.length > 3 ? ', …' : ''}); wait for them or cancel them first`,
    );
  }
  return write.rows.deleteRun(runId);
}
