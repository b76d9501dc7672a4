import type { Failure } from '@agent-lightning/core';
import type { AttemptStatus } from './contract-types.ts';
import { endAttempt, endQueued } from './rollout-rules.ts';
import type { AttemptRecord, RolloutRecord } from './records.ts';

/** Says what the watchdog does to one overdue rollout; `ended` counts the attempt and the rollout that became final. */
export interface OverdueEnd {
  readonly rollout: RolloutRecord;
  readonly attempt?: AttemptRecord;
  readonly ended: number;
}

/**
 * Applies the watchdog's rules to one rollout at one moment of the store's clock, first match wins:
 * the rollout's total time is over: it fails, whatever its retry policy · it was never claimed in its queue time: it fails ·
 * its attempt's lease ran out: `unresponsive` · the attempt ran too long: `timeout` · it made no progress: `unresponsive`.
 * The lease comes before every limit of time: a worker that is gone says nothing about the agent, however late it is noticed.
 * A deadline that is exactly now has passed. Returns undefined when nothing is overdue.
 *
 * @param live the rollout's newest attempt when it has not ended
 */
export function endOverdue(
  record: RolloutRecord,
  live: AttemptRecord | undefined,
  nowMs: number,
): OverdueEnd | undefined {
  const { rollout } = record;
  const { queueMs, totalMs } = rollout.timeouts;
  if (totalMs !== undefined && nowMs >= rollout.createdAtMs + totalMs) {
    const failure = timedOut(`the rollout was not finished within its totalMs of ${totalMs}`);
    if (live === undefined) return { rollout: endQueued(record, 'failed', failure, nowMs), ended: 1 };
    const [status, cause] = findLostLease(live, nowMs) ?? (['timeout', failure] as const);
    return { ...endAttempt(record, live, status, cause, nowMs, false), ended: 2 };
  }
  if (live === undefined) {
    if (rollout.attemptCount > 0 || queueMs === undefined || nowMs < rollout.createdAtMs + queueMs) return undefined;
    return {
      rollout: endQueued(
        record,
        'failed',
        timedOut(`the rollout was not claimed within its queueMs of ${queueMs}`),
        nowMs,
      ),
      ended: 1,
    };
  }
  const [status, failure] = findAttemptFault(record, live, nowMs) ?? [];
  if (status === undefined || failure === undefined) return undefined;
  const decision = endAttempt(record, live, status, failure, nowMs);
  return { ...decision, ended: decision.rollout.rollout.status === 'requeuing' ? 1 : 2 };
}

type AttemptFault = readonly [AttemptStatus, Failure];

function findAttemptFault(record: RolloutRecord, live: AttemptRecord, nowMs: number): AttemptFault | undefined {
  const { startToFinishMs, noProgressMs } = record.rollout.timeouts;
  const { attempt } = live;
  const lost = findLostLease(live, nowMs);
  if (lost !== undefined) return lost;
  if (startToFinishMs !== undefined && nowMs >= attempt.startedAtMs + startToFinishMs)
    return ['timeout', timedOut(`the attempt was not finished within its startToFinishMs of ${startToFinishMs}`)];
  if (noProgressMs !== undefined && nowMs >= attempt.lastProgressAtMs + noProgressMs) {
    const message = `worker ${attempt.workerId} wrote no span and sent no heartbeat for the noProgressMs of ${noProgressMs}`;
    return ['unresponsive', { code: 'no-progress', message }];
  }
  return undefined;
}

function findLostLease({ attempt, leaseMs }: AttemptRecord, nowMs: number): AttemptFault | undefined {
  if (nowMs < attempt.leaseExpiresAtMs) return undefined;
  const message = `worker ${attempt.workerId} sent no heartbeat for its lease of ${leaseMs} ms`;
  return ['unresponsive', { code: 'lease-expired', message }];
}

function timedOut(message: string): Failure {
  return { code: 'timed-out', message };
}
