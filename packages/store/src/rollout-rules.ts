import type { Attempt, Failure, RetryPolicy, Rollout } from '@agent-lightning/core';
import { attemptTransitions, isFinalRolloutStatus, rolloutTransitions } from './status-graph.ts';
import type { AttemptStatus, RolloutStatus } from './contract-types.ts';
import type { ResolvedClaim, ResolvedEnqueue } from './request-checks.ts';
import type { AttemptRecord, RolloutRecord } from './records.ts';
import { conflict } from './store-errors.ts';

/** Holds the records that a decision leaves, as they are to be saved. */
export interface Decision {
  readonly rollout: RolloutRecord;
  readonly attempt: AttemptRecord;
}

export function newRollout(
  request: ResolvedEnqueue,
  rolloutId: string,
  resourcesId: string | undefined,
  nowMs: number,
): RolloutRecord {
  const { groupId, runId, workerTags } = request;
  return withDeadline(
    {
      rolloutId,
      input: request.input,
      mode: request.mode,
      status: 'queuing',
      ...(groupId === undefined ? {} : { groupId }),
      ...(runId === undefined ? {} : { runId }),
      queue: request.queue,
      priority: request.priority,
      ...(workerTags.length === 0 ? {} : { workerTags }),
      ...(resourcesId === undefined ? {} : { resourcesId }),
      retry: request.retry,
      timeouts: request.timeouts,
      metadata: request.metadata,
      attemptCount: 0,
      createdAtMs: nowMs,
      availableAtMs: nowMs,
    },
    0,
    undefined,
  );
}

/** Starts a new attempt in `preparing`, with a lease from now. */
export function claimRollout(
  record: RolloutRecord,
  claim: ResolvedClaim,
  attemptId: string,
  fencingToken: number,
  nowMs: number,
): Decision {
  const attemptNumber = record.rollout.attemptCount + 1;
  const attempt: Attempt = {
    attemptId,
    rolloutId: record.rollout.rolloutId,
    attemptNumber,
    status: 'preparing',
    workerId: claim.workerId,
    startedAtMs: nowMs,
    lastProgressAtMs: nowMs,
    leaseExpiresAtMs: nowMs + claim.leaseMs,
  };
  const { failure: _earlier, ...rollout } = moveRollout(record.rollout, 'preparing');
  return {
    rollout: withDeadline({ ...rollout, attemptCount: attemptNumber }, record.lastSequenceId, attempt),
    attempt: { attempt, fencingToken, leaseMs: claim.leaseMs },
  };
}

/** Takes a sign of life: the first one makes attempt and rollout `running`. `extendLease` is for heartbeats only. */
export function recordProgress(
  record: RolloutRecord,
  live: AttemptRecord,
  nowMs: number,
  extendLease: boolean,
  lastSequenceId: number = record.lastSequenceId,
): Decision {
  const running = live.attempt.status === 'running' ? live.attempt : moveAttempt(live.attempt, 'running');
  const attempt: Attempt = {
    ...running,
    lastProgressAtMs: Math.max(nowMs, running.lastProgressAtMs),
    leaseExpiresAtMs: extendLease ? Math.max(nowMs + live.leaseMs, running.leaseExpiresAtMs) : running.leaseExpiresAtMs,
  };
  const rollout = record.rollout.status === 'running' ? record.rollout : moveRollout(record.rollout, 'running');
  return { rollout: withDeadline(rollout, lastSequenceId, attempt), attempt: { ...live, attempt } };
}

export function succeed(record: RolloutRecord, live: AttemptRecord, nowMs: number): Decision {
  const attempt: Attempt = { ...moveAttempt(live.attempt, 'succeeded'), endedAtMs: nowMs };
  const { failure: _earlier, ...rollout } = moveRollout(record.rollout, 'succeeded');
  return {
    rollout: withDeadline({ ...rollout, endedAtMs: nowMs }, record.lastSequenceId, attempt),
    attempt: { ...live, attempt },
  };
}

/** Ends an attempt without success; the retry policy decides whether its rollout is queued again. */
export function endAttempt(
  record: RolloutRecord,
  live: AttemptRecord,
  status: AttemptStatus,
  failure: Failure,
  nowMs: number,
  mayRetry: boolean = true,
): Decision {
  const attempt: Attempt = { ...moveAttempt(live.attempt, status), failure, endedAtMs: nowMs };
  const { retry } = record.rollout;
  const isRetried = mayRetry && live.attempt.attemptNumber < retry.maxAttempts && isRetriedEnd(retry, status, failure);
  const rollout: Rollout = isRetried
    ? {
        ...moveRollout(record.rollout, 'requeuing'),
        failure,
        availableAtMs: nowMs + backoffMs(retry, live.attempt.attemptNumber),
      }
    : { ...moveRollout(record.rollout, status === 'cancelled' ? 'cancelled' : 'failed'), failure, endedAtMs: nowMs };
  return { rollout: withDeadline(rollout, record.lastSequenceId, attempt), attempt: { ...live, attempt } };
}

function isRetriedEnd({ retryOn, retryCodes }: RetryPolicy, status: AttemptStatus, { code }: Failure): boolean {
  return retryOn.includes(status) && (retryCodes === undefined || retryCodes.includes(code));
}

/** Ends a rollout that has no live attempt: it is queued, or waits for a retry. */
export function endQueued(
  record: RolloutRecord,
  status: 'failed' | 'cancelled',
  failure: Failure,
  nowMs: number,
): RolloutRecord {
  return withDeadline(
    { ...moveRollout(record.rollout, status), failure, endedAtMs: nowMs },
    record.lastSequenceId,
    undefined,
  );
}

/** Returns the wait after attempt `attemptNumber`: `backoffMs`, doubled for each attempt after the first, at most `maxBackoffMs`. */
export function backoffMs(retry: RetryPolicy, attemptNumber: number): number {
  return Math.min(retry.backoffMs * 2 ** (attemptNumber - 1), retry.maxBackoffMs);
}

/** Returns the next moment at which one of the rollout's clocks, or its attempt's lease, runs out. */
export function nextDeadlineMs(rollout: Rollout, attempt: Attempt | undefined): number | undefined {
  if (isFinalRolloutStatus(rollout.status)) return undefined;
  const { queueMs, startToFinishMs, noProgressMs, totalMs } = rollout.timeouts;
  const deadlines: number[] = [];
  if (totalMs !== undefined) deadlines.push(rollout.createdAtMs + totalMs);
  if (rollout.attemptCount === 0 && queueMs !== undefined) deadlines.push(rollout.createdAtMs + queueMs);
  if (attempt !== undefined && attempt.endedAtMs === undefined) {
    deadlines.push(attempt.leaseExpiresAtMs);
    if (startToFinishMs !== undefined) deadlines.push(attempt.startedAtMs + startToFinishMs);
    if (noProgressMs !== undefined) deadlines.push(attempt.lastProgressAtMs + noProgressMs);
  }
  return deadlines.length === 0 ? undefined : Math.min(...deadlines);
}

function withDeadline(rollout: Rollout, lastSequenceId: number, attempt: Attempt | undefined): RolloutRecord {
  const deadlineMs = nextDeadlineMs(rollout, attempt);
  return { rollout, lastSequenceId, ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}

function moveRollout(rollout: Rollout, status: RolloutStatus): Rollout {
  if (!rolloutTransitions[rollout.status].includes(status))
    throw conflict(`rollout ${rollout.rolloutId} is ${rollout.status} and cannot become ${status}`);
  return { ...rollout, status };
}

function moveAttempt(attempt: Attempt, status: AttemptStatus): Attempt {
  if (!attemptTransitions[attempt.status].includes(status))
    throw conflict(`attempt ${attempt.attemptId} is ${attempt.status} and cannot become ${status}`);
  return { ...attempt, status };
}
