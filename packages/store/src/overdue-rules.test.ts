import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFinalAttemptStatus, isFinalRolloutStatus } from './status-graph.ts';
import { resolveEnqueue } from './request-checks.ts';
import { backoffMs, claimRollout, endAttempt, newRollout, recordProgress } from './rollout-rules.ts';
import type { AttemptRecord, RolloutRecord } from './records.ts';
import { endOverdue } from './overdue-rules.ts';

const clock = fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined });
const clocks = fc.record({ queueMs: clock, startToFinishMs: clock, noProgressMs: clock, totalMs: clock });

/** A rollout at some stage of its life, and its attempt when one is live. */
const stages = fc
  .record({
    clocks,
    leaseMs: fc.integer({ min: 1, max: 200 }),
    progressMs: clock,
    stage: fc.constantFrom('queued' as const, 'live' as const, 'requeued' as const),
  })
  .map(({ clocks: given, leaseMs, progressMs, stage }): [RolloutRecord, AttemptRecord | undefined] => {
    const timeouts = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
    const queued = newRollout(resolveEnqueue({ input: 1, timeouts, retry: { maxAttempts: 3 } }, 0), 'r', undefined, 0);
    if (stage === 'queued') return [queued, undefined];
    const claimed = claimRollout(queued, { workerId: 'w', limit: 1, leaseMs }, 'a', 1, 10);
    const live =
      progressMs === undefined ? claimed : recordProgress(claimed.rollout, claimed.attempt, 10 + progressMs, true);
    if (stage === 'live') return [live.rollout, live.attempt];
    return [endAttempt(live.rollout, live.attempt, 'failed', { code: 'x', message: 'y' }, 500).rollout, undefined];
  });

describe('endOverdue', () => {
  it('finds a rollout overdue exactly when its deadline has come, so that no sweep goes round in circles', () => {
    fc.assert(
      fc.property(stages, fc.integer({ min: 0, max: 1_000 }), ([record, live], nowMs) => {
        const isOverdue = record.deadlineMs !== undefined && record.deadlineMs <= nowMs;
        expect(endOverdue(record, live, nowMs) !== undefined).toBe(isOverdue);
      }),
    );
  });

  it('leaves nothing overdue behind, and counts what it ended', () => {
    fc.assert(
      fc.property(stages, fc.integer({ min: 0, max: 1_000 }), ([record, live], nowMs) => {
        const overdueEnd = endOverdue(record, live, nowMs);
        if (overdueEnd === undefined) return;
        const { status } = overdueEnd.rollout.rollout;
        expect(isFinalRolloutStatus(status) || status === 'requeuing').toBe(true);
        expect(overdueEnd.attempt !== undefined && isFinalAttemptStatus(overdueEnd.attempt.attempt.status)).toBe(
          live !== undefined,
        );
        expect(overdueEnd.ended).toBe((live === undefined ? 0 : 1) + (isFinalRolloutStatus(status) ? 1 : 0));
        if (status !== 'requeuing') expect(overdueEnd.rollout.deadlineMs).toBeUndefined();
      }),
    );
  });
});

describe('an attempt whose lease is over', () => {
  it('is the loss of its worker, whatever other limit has passed when it is noticed', () => {
    fc.assert(
      fc.property(stages, fc.integer({ min: 0, max: 1_000 }), ([record, live], nowMs) => {
        if (live === undefined || nowMs < live.attempt.leaseExpiresAtMs) return;
        const { attempt, rollout } = endOverdue(record, live, nowMs)!;
        const { totalMs } = record.rollout.timeouts;
        expect(attempt!.attempt).toMatchObject({ status: 'unresponsive', failure: { code: 'lease-expired' } });
        expect(rollout.rollout.status).toBe(totalMs !== undefined && nowMs >= totalMs ? 'failed' : 'requeuing');
      }),
    );
  });

  it('still holds its worker to the limits while the lease lives', () => {
    const queued = newRollout(resolveEnqueue({ input: 1, timeouts: { startToFinishMs: 50 } }, 0), 'r', undefined, 0);
    const { rollout, attempt } = claimRollout(queued, { workerId: 'w', limit: 1, leaseMs: 100 }, 'a', 1, 0);
    expect(endOverdue(rollout, attempt, 60)!.attempt!.attempt).toMatchObject({
      status: 'timeout',
      failure: { code: 'timed-out' },
    });
  });
});

describe('backoffMs', () => {
  it('doubles from attempt to attempt up to its limit', () => {
    const retry = { maxAttempts: 9, retryOn: [], backoffMs: 250, maxBackoffMs: 1_500 };
    expect([1, 2, 3, 4, 100].map((attemptNumber) => backoffMs(retry, attemptNumber))).toEqual([
      250, 500, 1_000, 1_500, 1_500,
    ]);
    expect(backoffMs({ ...retry, backoffMs: 0 }, 100)).toBe(0);
  });
});
