import type { LightningStore, Rollout } from '@agent-lightning/core';
import { shortTask } from '../rollouts/rollout-entry.ts';
import type { LiveGateway, LiveLease, LiveQueue, LiveState, LiveWorker } from './shapes.ts';

/** The attempts that are listed. */
const shownLeases = 100;
/** The rollouts that are counted by reading them: those that wait and those that run of one run. */
const mostCounted = 1_000;

/**
 * Reads what works on a run, or on the whole store where no run is named, at this moment, and the statistics and workers of its store.
 * @param gateway what its gateway tells, which is waited for meanwhile
 */
export async function readLive(
  { store, runId }: { readonly store: LightningStore; readonly runId?: string },
  gateway: LiveGateway | Promise<LiveGateway>,
  nowMs: number,
): Promise<LiveState> {
  const ofRun = runId === undefined ? {} : { runId };
  // The store counts the rollouts of all runs alone.
  const limit = runId === undefined ? shownLeases : mostCounted;
  const [told, { rollouts: counts }, workers, waiting, active] = await Promise.all([
    gateway,
    store.statistics(),
    store.queryWorkers(),
    store.queryRollouts({ ...ofRun, statuses: ['queuing', 'requeuing'], limit }),
    store.queryRollouts({ ...ofRun, statuses: ['preparing', 'running'], limit }),
  ]);
  return {
    at: new Date(nowMs).toISOString(),
    queue: {
      storeStatuses: counts,
      ...(runId === undefined
        ? { waiting: counts.queuing + counts.requeuing }
        : { waiting: waiting.items.length, ...(waiting.nextCursor !== undefined && { hasMoreWaiting: true }) }),
      ...describeWaiting(waiting.items, nowMs),
    },
    workers: workers
      .map(({ workerId, lastSeenAtMs, activeAttempts }): LiveWorker => ({
        id: workerId,
        seenMs: Math.max(0, nowMs - lastSeenAtMs),
        active: activeAttempts,
      }))
      .toSorted((a, b) => b.active - a.active || a.seenMs - b.seenMs),
    leases: (
      await Promise.all(active.items.slice(0, shownLeases).map((rollout) => readLease(store, rollout, nowMs)))
    ).flat(),
    ...(runId === undefined
      ? { running: counts.preparing + counts.running }
      : { running: active.items.length, ...(active.nextCursor !== undefined && { hasMoreRunning: true }) }),
    gateway: told,
  };
}

function describeWaiting(
  waiting: readonly Rollout[],
  nowMs: number,
): Pick<LiveQueue, 'delayed' | 'oldestMs' | 'kinds'> {
  const kinds = Map.groupBy(waiting, ({ queue, runId, workerTags = [] }) =>
    [
      `queue ${queue}`,
      ...(runId === undefined ? [] : [`run ${runId}`]),
      ...(workerTags.length === 0 ? [] : [`needs ${workerTags.join(', ')}`]),
    ].join(' · '),
  );
  const oldest = Math.min(...waiting.map(({ createdAtMs }) => createdAtMs));
  return {
    delayed: waiting.filter(({ availableAtMs }) => availableAtMs > nowMs).length,
    ...(Number.isFinite(oldest) && { oldestMs: Math.max(0, nowMs - oldest) }),
    kinds: [...kinds].map(([name, rollouts]) => ({ name, count: rollouts.length })),
  };
}

async function readLease(
  store: Pick<LightningStore, 'queryAttempts'>,
  { rolloutId, input }: Rollout,
  nowMs: number,
): Promise<readonly LiveLease[]> {
  const attempt = (await store.queryAttempts(rolloutId)).at(-1);
  if (attempt === undefined || attempt.endedAtMs !== undefined) return []; // it ended meanwhile
  const { attemptNumber, workerId, startedAtMs, lastProgressAtMs, leaseExpiresAtMs } = attempt;
  return [
    {
      rolloutId,
      task: shortTask(input),
      attempt: attemptNumber,
      worker: workerId,
      runningMs: Math.max(0, nowMs - startedAtMs),
      silentMs: Math.max(0, nowMs - lastProgressAtMs),
      leaseMs: leaseExpiresAtMs - nowMs,
    },
  ];
}
