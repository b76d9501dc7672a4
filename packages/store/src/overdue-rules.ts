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
 * its attempt ran too long: `timeout` · the attempt made no progress, or its lease ran out: `unresponsive`.
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
    return { ...endAttempt(record, live, 'timeout', failure, nowMs, false), ended: 2 };
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

function findAttemptFault(
  record: RolloutRecord,
  live: AttemptRecord,
  nowMs: number,
): [AttemptStatus, Failure] | undefined {
  const { startToFinishMs, noProgressMs } = record.rollout.timeouts;
  const { attempt } = live;
  if (startToFinishMs !== undefined && nowMs >= attempt.startedAtMs + startToFinishMs) {
    return ['timeout', timedOut(`the attempt was not finished within its startToFinishMs of ${startToFinishMs}`)];
  }
  if (noProgressMs !== undefined && nowMs >= attempt.lastProgressAtMs + noProgressMs) {
    return [
      'unresponsive',
      timedOut(`the attempt wrote no span and sent no heartbeat for its noProgressMs of ${noProgressMs}`),
    ];
  }
  if (nowMs >= attempt.leaseExpiresAtMs) {
    return [
      'unresponsive',
      {
        code: 'lease-expired',
        message: `worker ${attempt.workerId} sent no heartbeat for its lease of ${live.leaseMs} ms`,
      },
    ];
  }
  return undefined;
}

function timedOut(message: string): Failure {
  return { code: 'timed-out', message };
}
