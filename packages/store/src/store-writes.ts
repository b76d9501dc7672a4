import { isDeepStrictEqual } from 'node:util';
import type { Lease, NamedResources, ResourcesVersion, Rollout, Span, SpanInput, Claim } from '@agent-lightning/core';
import { isFinalAttemptStatus, isFinalRolloutStatus } from './status-graph.ts';
import { endsOpenSpan } from './open-spans.ts';
import type { HeartbeatReply } from './contract-types.ts';
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
import type { AttemptRecord, ClaimFilter, RolloutRecord, RecordWriter } from './records.ts';
import { conflict, fenced, notFound } from './store-errors.ts';
import { endOverdue } from './overdue-rules.ts';

export async function enqueueRollouts(write: Write, requests: readonly ResolvedEnqueue[]): Promise<readonly Rollout[]> {
  const { records, nowMs } = write;
  const given = requests.flatMap((request) => (request.rolloutId === undefined ? [] : [request.rolloutId]));
  const known = new Map(
    (await records.readRollouts([...new Set(given)])).map((record) => [record.rollout.rolloutId, record.rollout]),
  );
  const latest = await defaultResources(write, requests);
  const added: RolloutRecord[] = [];
  const rollouts = requests.map((request) => {
    const stored = request.rolloutId === undefined ? undefined : known.get(request.rolloutId);
    if (stored !== undefined) return sameTask(stored, request);
    const record = newRollout(
      request,
      request.rolloutId ?? write.generateId('ro'),
      request.resourcesId ?? latest,
      nowMs,
    );
    known.set(record.rollout.rolloutId, record.rollout);
    added.push(record);
    return record.rollout;
  });
  if (added.length > 0) await records.insertRollouts(added);
  for (const { rollout } of added)
    write.events.push({ type: 'rollout', id: rollout.rolloutId, status: rollout.status });
  return rollouts;
}

/** Returns the latest resources' id, read only when a request wants the default. @throws when a named one is missing */
async function defaultResources(write: Write, requests: readonly ResolvedEnqueue[]): Promise<string | undefined> {
  for (const resourcesId of new Set(requests.map((request) => request.resourcesId))) {
    if (resourcesId !== undefined && (await write.records.readResources(resourcesId)) === undefined)
      throw notFound('resources', resourcesId);
  }
  return requests.some((request) => request.resourcesId === undefined)
    ? (await write.records.readLatestResources())?.resourcesId
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
  const { records, nowMs } = write;
  await records.touchWorker(claim.workerId, nowMs);
  const candidates = await records.lockClaimable({ ...filter, nowMs }, claim.limit);
  if (candidates.length === 0) return [];
  const firstToken = await records.takeFencingTokens(candidates.length);
  const decisions = candidates.map((record, index) =>
    claimRollout(record, claim, write.generateId('at'), firstToken + index, nowMs),
  );
  await records.insertAttempts(decisions.map((decision) => decision.attempt));
  await records.saveRollouts(decisions.map((decision) => decision.rollout));
  return decisions.map(({ rollout: { rollout }, attempt: { attempt, fencingToken } }) => {
    write.events.push({ type: 'rollout', id: rollout.rolloutId, status: rollout.status });
    return { rollout, attempt, lease: { rolloutId: rollout.rolloutId, attemptId: attempt.attemptId, fencingToken } };
  });
}

interface Held {
  readonly record: RolloutRecord;
  readonly held: AttemptRecord;
}

/** Reads the records that a lease is for. @throws `store-fenced` when the token is not the attempt's */
async function readHeld(records: RecordWriter, lease: Lease): Promise<Held> {
  const [record] = await records.readRollouts([lease.rolloutId]);
  if (record === undefined) throw notFound('rollout', lease.rolloutId);
  const held = await records.readAttempt(lease.rolloutId, lease.attemptId);
  if (held === undefined) throw notFound('attempt', lease.attemptId);
  if (held.fencingToken !== lease.fencingToken) throw fenced(lease, 'another claim holds this attempt');
  return { record, held };
}

async function save(write: Write, before: RolloutRecord, decision: Decision): Promise<Rollout> {
  await write.records.saveAttempts([decision.attempt]);
  return saveRollout(write, before, decision.rollout);
}

async function saveRollout(write: Write, before: RolloutRecord, after: RolloutRecord): Promise<Rollout> {
  await write.records.saveRollouts([after]);
  const { rolloutId, status } = after.rollout;
  if (status !== before.rollout.status) write.events.push({ type: 'rollout', id: rolloutId, status });
  return after.rollout;
}

function checkNotFinal(lease: Lease, { held }: Held): void {
  if (isFinalAttemptStatus(held.attempt.status)) throw fenced(lease, `the attempt is over (${held.attempt.status})`);
}

export async function extendLease(write: Write, lease: Lease): Promise<HeartbeatReply> {
  const found = await readHeld(write.records, lease);
  const { record, held } = found;
  if (held.attempt.status === 'cancelled')
    return { state: 'cancelled', leaseExpiresAtMs: held.attempt.leaseExpiresAtMs };
  checkNotFinal(lease, found);
  const decision = recordProgress(record, held, write.nowMs, true);
  await save(write, record, decision);
  await write.records.touchWorker(held.attempt.workerId, write.nowMs);
  return { state: 'running', leaseExpiresAtMs: decision.attempt.attempt.leaseExpiresAtMs };
}

export async function completeAttempt(write: Write, lease: Lease): Promise<Rollout> {
  const found = await readHeld(write.records, lease);
  if (found.held.attempt.status === 'succeeded') return found.record.rollout;
  checkNotFinal(lease, found);
  return save(write, found.record, succeed(found.record, found.held, write.nowMs));
}

export async function failAttempt(
  write: Write,
  lease: Lease,
  { status, ...failure }: ResolvedFailure,
): Promise<Rollout> {
  const found = await readHeld(write.records, lease);
  const { attempt } = found.held;
  const isRepeated =
    attempt.status === status && attempt.failure?.code === failure.code && attempt.failure.message === failure.message;
  if (isRepeated) return found.record.rollout;
  checkNotFinal(lease, found);
  return save(write, found.record, endAttempt(found.record, found.held, status, failure, write.nowMs));
}

export async function cancelRollout(write: Write, rolloutId: string, message: string): Promise<Rollout> {
  const [record] = await write.records.readRollouts([rolloutId]);
  if (record === undefined) throw notFound('rollout', rolloutId);
  if (isFinalRolloutStatus(record.rollout.status)) return record.rollout;
  const failure = { code: 'cancelled', message };
  const live = await readLive(write.records, record);
  if (live === undefined) return saveRollout(write, record, endQueued(record, 'cancelled', failure, write.nowMs));
  return save(write, record, endAttempt(record, live, 'cancelled', failure, write.nowMs, false));
}

async function readLive(records: RecordWriter, record: RolloutRecord): Promise<AttemptRecord | undefined> {
  const [latest] = await records.readLatestAttempts([record.rollout.rolloutId]);
  return latest === undefined || isFinalAttemptStatus(latest.attempt.status) ? undefined : latest;
}

export async function appendSpans(write: Write, lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]> {
  const found = await readHeld(write.records, lease);
  const { record, held } = found;
  const { rolloutId, attemptId } = lease;
  const stored = await write.records.findSpans(
    rolloutId,
    attemptId,
    spans.map((span) => span.spanId),
  );
  const added = new Map<string, Span>();
  const ended = new Map<string, Span>();
  let last = record.lastSequenceId;
  for (const span of spans) {
    const { spanId } = span;
    const known = added.get(spanId) ?? ended.get(spanId) ?? stored.get(spanId);
    if (known !== undefined && !endsOpenSpan(span, known)) continue;
    const sequenceId = known?.sequenceId ?? ++last;
    (stored.has(spanId) ? ended : added).set(spanId, { ...span, rolloutId, attemptId, sequenceId });
  }
  if (added.size + ended.size > 0) {
    checkNotFinal(lease, found);
    await write.records.insertSpans([...added.values()]);
    await write.records.endSpans([...ended.values()]);
    await save(write, record, recordProgress(record, held, write.nowMs, false, last));
  }
  return spans.map(({ spanId }) => (added.get(spanId) ?? stored.get(spanId))?.sequenceId as number);
}

export async function addReward(write: Write, rolloutId: string, span: SpanInput): Promise<number> {
  const { records } = write;
  const [record] = await records.readRollouts([rolloutId]);
  if (record === undefined) throw notFound('rollout', rolloutId);
  const stored = (await records.findSpans(rolloutId, undefined, [span.spanId])).get(span.spanId);
  if (stored !== undefined) return stored.sequenceId;
  const [latest] = await records.readLatestAttempts([rolloutId]);
  if (latest === undefined) throw conflict(`rollout ${rolloutId} has no attempt yet, so there is nothing to reward`);
  const sequenceId = record.lastSequenceId + 1;
  await records.insertSpans([{ ...span, rolloutId, attemptId: latest.attempt.attemptId, sequenceId }]);
  await records.saveRollouts([{ ...record, lastSequenceId: sequenceId }]);
  return sequenceId;
}

export async function putResources(
  { records, nowMs, events }: Write,
  resourcesId: string,
  resources: NamedResources,
): Promise<ResourcesVersion> {
  events.push({ type: 'resources', id: resourcesId });
  return records.insertResources({ resourcesId, resources, createdAtMs: nowMs });
}

/** Ends at most `limit` overdue rollouts and attempts; returns how many records were overdue and how many ends that made. */
export async function sweepOverdue(
  write: Write,
  limit: number,
): Promise<{ readonly seen: number; readonly ended: number }> {
  const overdue = await write.records.lockOverdue(write.nowMs, limit);
  let ended = 0;
  for (const record of overdue) {
    const overdueEnd = endOverdue(record, await readLive(write.records, record), write.nowMs);
    if (overdueEnd === undefined) continue;
    if (overdueEnd.attempt !== undefined) await write.records.saveAttempts([overdueEnd.attempt]);
    await saveRollout(write, record, overdueEnd.rollout);
    ended += overdueEnd.ended;
  }
  return { seen: overdue.length, ended };
}

/** The most rollouts that one write deletes by their age, so that others get their turn between two. */
export const deletedPerWrite = 200;

/** Deletes the oldest rollouts that ended before a moment; returns how many: `deletedPerWrite` when there may be more. */
export async function deleteEnded({ records }: Write, endedBeforeMs: number): Promise<number> {
  return records.deleteEnded(endedBeforeMs - 1, deletedPerWrite);
}

export async function removeRun(write: Write, runId: string): Promise<number> {
  const unfinished = await write.records.readUnfinished(runId, 4);
  if (unfinished.length > 0) {
    throw conflict(
      `run ${runId} has rollouts that are not final (${unfinished.slice(0, 3).join(', ')}${unfinished.length > 3 ? ', …' : ''}); wait for them or cancel them first`,
    );
  }
  return write.records.deleteRun(runId);
}
