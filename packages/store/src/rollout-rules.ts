import {
  attemptTransitions,
  isFinalRolloutStatus,
  rolloutTransitions,
  type Attempt,
  type AttemptStatus,
  type Failure,
  type RetryPolicy,
  type Rollout,
  type RolloutStatus,
} from '@agent-lightning/core';
import type { ResolvedClaim, ResolvedEnqueue } from './request-checks.ts';
import type { AttemptRow, RolloutRow } from './rows.ts';
import { conflict } from './store-errors.ts';

/** What a decision leaves behind: the rows as they are to be saved. */
export interface Decision {
  readonly rollout: RolloutRow;
  readonly attempt: AttemptRow;
}

export function newRollout(
  request: ResolvedEnqueue,
  rolloutId: string,
  resourcesId: string | undefined,
  nowMs: number,
): RolloutRow {
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

/** A claim: a new attempt in `preparing`, with a lease from now. */
export function claimRollout(
  row: RolloutRow,
  claim: ResolvedClaim,
  attemptId: string,
  fencingToken: number,
  nowMs: number,
): Decision {
  const attemptNumber = row.rollout.attemptCount + 1;
  const attempt: Attempt = {
    attemptId,
    rolloutId: row.rollout.rolloutId,
    attemptNumber,
    status: 'preparing',
    workerId: claim.workerId,
    startedAtMs: nowMs,
    lastProgressAtMs: nowMs,
    leaseExpiresAtMs: nowMs + claim.leaseMs,
  };
  const { failure: _earlier, ...rollout } = moveRollout(row.rollout, 'preparing');
  return {
    rollout: withDeadline({ ...rollout, attemptCount: attemptNumber }, row.lastSequenceId, attempt),
    attempt: { attempt, fencingToken, leaseMs: claim.leaseMs },
  };
}

/** A sign of life: the first one makes attempt and rollout `running`. `extendLease` is for heartbeats only. */
export function recordProgress(
  row: RolloutRow,
  live: AttemptRow,
  nowMs: number,
  extendLease: boolean,
  lastSequenceId: number = row.lastSequenceId,
): Decision {
  const running = live.attempt.status === 'running' ? live.attempt : moveAttempt(live.attempt, 'running');
  const attempt: Attempt = {
    ...running,
    lastProgressAtMs: Math.max(nowMs, running.lastProgressAtMs),
    leaseExpiresAtMs: extendLease ? Math.max(nowMs + live.leaseMs, running.leaseExpiresAtMs) : running.leaseExpiresAtMs,
  };
  const rollout = row.rollout.status === 'running' ? row.rollout : moveRollout(row.rollout, 'running');
  return { rollout: withDeadline(rollout, lastSequenceId, attempt), attempt: { ...live, attempt } };
}

export function succeed(row: RolloutRow, live: AttemptRow, nowMs: number): Decision {
  const attempt: Attempt = { ...moveAttempt(live.attempt, 'succeeded'), endedAtMs: nowMs };
  const { failure: _earlier, ...rollout } = moveRollout(row.rollout, 'succeeded');
  return {
    rollout: withDeadline({ ...rollout, endedAtMs: nowMs }, row.lastSequenceId, attempt),
    attempt: { ...live, attempt },
  };
}

/** Ends an attempt without success; the retry policy decides whether its rollout is queued again. */
export function endAttempt(
  row: RolloutRow,
  live: AttemptRow,
  status: AttemptStatus,
  failure: Failure,
  nowMs: number,
  mayRetry: boolean = true,
): Decision {
  const attempt: Attempt = { ...moveAttempt(live.attempt, status), failure, endedAtMs: nowMs };
  const { retry } = row.rollout;
  const isRetried = mayRetry && live.attempt.attemptNumber < retry.maxAttempts && retry.retryOn.includes(status);
  const rollout: Rollout = isRetried
    ? {
        ...moveRollout(row.rollout, 'requeuing'),
        failure,
        availableAtMs: nowMs + backoffMs(retry, live.attempt.attemptNumber),
      }
    : { ...moveRollout(row.rollout, status === 'cancelled' ? 'cancelled' : 'failed'), failure, endedAtMs: nowMs };
  return { rollout: withDeadline(rollout, row.lastSequenceId, attempt), attempt: { ...live, attempt } };
}

/** Ends a rollout that has no live attempt: it is queued, or waits for a retry. */
export function endQueued(
  row: RolloutRow,
  status: 'failed' | 'cancelled',
  failure: Failure,
  nowMs: number,
): RolloutRow {
  return withDeadline(
    { ...moveRollout(row.rollout, status), failure, endedAtMs: nowMs },
    row.lastSequenceId,
    undefined,
  );
}

/** The wait after attempt `attemptNumber`: `backoffMs`, doubled for each attempt after the first, at most `maxBackoffMs`. */
export function backoffMs(retry: RetryPolicy, attemptNumber: number): number {
  return Math.min(retry.backoffMs * 2 ** (attemptNumber - 1), retry.maxBackoffMs);
}

/** The next moment at which one of the rollout's clocks, or its attempt's lease, runs out. */
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

function withDeadline(rollout: Rollout, lastSequenceId: number, attempt: Attempt | undefined): RolloutRow {
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
