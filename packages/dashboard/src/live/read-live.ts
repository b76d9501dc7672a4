import type { LightningStore, Rollout } from '@agent-lightning/core';
import { shortTask } from '../rollouts/rollout-entry.ts';
import type { LiveGateway, LiveLease, LiveQueue, LiveState, LiveWorker } from './shapes.ts';

/** The attempts that are listed, and the rollouts that wait and that run that are looked at. */
const shownLeases = 100;
const seenWaiting = 1_000;
const seenActive = 1_000;

/**
 * Reads what works on a run at this moment, and the statistics and workers of its store.
 * @param gateway what its gateway tells, which is waited for meanwhile
 */
export async function readLive(
  { store, runId }: { readonly store: LightningStore; readonly runId?: string },
  gateway: LiveGateway | Promise<LiveGateway>,
  nowMs: number,
): Promise<LiveState> {
  const ofRun = runId === undefined ? {} : { runId };
  const [told, statistics, workers, waiting, active] = await Promise.all([
    gateway,
    store.statistics(),
    store.queryWorkers(),
    store.queryRollouts({ ...ofRun, statuses: ['queuing', 'requeuing'], limit: seenWaiting }),
    store.queryRollouts({ ...ofRun, statuses: ['preparing', 'running'], limit: seenActive }),
  ]);
  return {
    at: new Date(nowMs).toISOString(),
    queue: describeQueue(waiting, statistics.rollouts, nowMs),
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
    running: active.items.length,
    ...(active.nextCursor !== undefined && { hasMoreRunning: true }),
    gateway: told,
  };
}

function describeQueue(
  { items: waiting, nextCursor }: { readonly items: readonly Rollout[]; readonly nextCursor?: string | undefined },
  storeStatuses: Readonly<Record<string, number>>,
  nowMs: number,
): LiveQueue {
  const kinds = Map.groupBy(waiting, ({ queue, runId, workerTags = [] }) =>
    [
      `queue ${queue}`,
      ...(runId === undefined ? [] : [`run ${runId}`]),
      ...(workerTags.length === 0 ? [] : [`needs ${workerTags.join(', ')}`]),
    ].join(' · '),
  );
  const oldest = Math.min(...waiting.map(({ createdAtMs }) => createdAtMs));
  return {
    storeStatuses,
    waiting: waiting.length,
    ...(nextCursor !== undefined && { hasMoreWaiting: true }),
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
