import type { EnqueueRequest } from '@agent-lightning/core';
import { checkArray, checkId, checkInteger, checkText } from './field-checks.ts';
import {
  read,
  upkeep,
  wait,
  write,
  type InnerOperations,
  type OperationName,
  type OperationReply,
  type StoreMethods,
  type TableOf,
} from './operation.ts';
import {
  checkIds,
  checkLease,
  checkMessage,
  checkResources,
  resolveClaim,
  resolveEnqueue,
  resolveFailure,
  resolveFilter,
  resolveQuery,
} from './request-checks.ts';
import { checkReward, checkSpans, resolveSpanQuery } from './span-checks.ts';
import { querySpans } from './span-tree.ts';
import { isFinalAttemptStatus } from './status-graph.ts';
import {
  addReward,
  appendSpans,
  cancelRollout,
  claimRollouts,
  completeAttempt,
  deleteEnded,
  enqueueRollouts,
  extendLease,
  failAttempt,
  putResources,
  removeRun,
} from './store-writes.ts';
import { nextEvents, waitForClaimable, waitForFinal } from './waiting.ts';

const nothing = (): [] => [];

/** Declares the operations behind the methods of a store: how arguments are checked, what is done, and whether a write may be repeated. */
export const methodTable: TableOf<StoreMethods> = {
  enqueue: write(
    ['requests'],
    (requests) => [
      checkArray('requests', requests).map((request, index) => resolveEnqueue(request as EnqueueRequest, index)),
    ],
    enqueueRollouts,
    (requests) => requests.every(({ rolloutId }) => rolloutId !== undefined),
  ),
  getRollout: read(
    ['rolloutId'],
    (rolloutId) => [checkId('rolloutId', rolloutId)],
    async (records, rolloutId) => (await records.readRollouts([rolloutId]))[0]?.rollout,
  ),
  queryRollouts: read(
    ['query'],
    (query = {}) => [resolveQuery(query)],
    (records, query) => records.queryRollouts(query),
  ),
  cancel: write(
    ['rolloutId', 'reason'],
    (rolloutId, reason = 'cancelled') => [checkId('rolloutId', rolloutId), checkMessage('reason', reason)],
    cancelRollout,
    true,
  ),
  claim: write(
    ['request'],
    (request) => [{ ...resolveClaim(request), ...resolveFilter(request) }],
    (under, { workerId, limit, leaseMs, ...filter }) => claimRollouts(under, { workerId, limit, leaseMs }, filter),
    false,
  ),
  waitForWork: wait('request', resolveFilter, waitForClaimable),
  heartbeat: write(['lease'], (lease) => [checkLease(lease)], extendLease, true),
  complete: write(['lease'], (lease) => [checkLease(lease)], completeAttempt, true),
  fail: write(
    ['lease', 'failure'],
    (lease, failure) => [checkLease(lease), resolveFailure(failure)],
    failAttempt,
    true,
  ),
  queryAttempts: read(
    ['rolloutId'],
    (rolloutId) => [checkId('rolloutId', rolloutId)],
    async (records, rolloutId) => (await records.readAttempts(rolloutId)).map((record) => record.attempt),
  ),
  getLease: read(
    ['rolloutId', 'attemptId'],
    (rolloutId, attemptId) => [checkId('rolloutId', rolloutId), checkId('attemptId', attemptId)],
    async (records, rolloutId, attemptId) => {
      const held = await records.readAttempt(rolloutId, attemptId);
      return held === undefined || isFinalAttemptStatus(held.attempt.status)
        ? undefined
        : { rolloutId, attemptId, fencingToken: held.fencingToken };
    },
  ),
  appendSpans: write(['lease', 'spans'], (lease, spans) => [checkLease(lease), checkSpans(spans)], appendSpans, true),
  querySpans: read(['query'], (query) => [resolveSpanQuery(query)], querySpans),
  addReward: write(
    ['rolloutId', 'span'],
    (rolloutId, span) => [checkId('rolloutId', rolloutId), checkReward('span', span)],
    addReward,
    true,
  ),
  putResources: write(
    ['resourcesId', 'resources'],
    (resourcesId, resources) => [checkId('resourcesId', resourcesId), checkResources(resources)],
    putResources,
    false,
  ),
  getResources: read(
    ['resourcesId', 'version'],
    (resourcesId, version) => [
      checkId('resourcesId', resourcesId),
      version === undefined ? undefined : checkInteger('version', version, 1),
    ],
    (records, resourcesId, version) => records.readResources(resourcesId, version),
  ),
  latestResources: read([], nothing, (records) => records.readLatestResources()),
  queryWorkers: read([], nothing, (records) => records.readWorkers()),
  waitFor: wait('rolloutIds', (rolloutIds) => checkIds('rolloutIds', rolloutIds), waitForFinal),
  runWatchdog: upkeep(({ watchdog }) => watchdog.run(), false),
  statistics: read([], nothing, (records) => records.readStatistics()),
  deleteRun: write(['runId'], (runId) => [checkId('runId', runId)], removeRun, false),
};

/**
 * Declares every operation of a store, once. The methods of `CheckedStore`, what carries them out, and what crosses to another
 * thread or machine are derived from this table.
 */
export const operationTable: TableOf<StoreMethods & InnerOperations> = {
  ...methodTable,
  readLastCursor: read([], nothing, (records) => records.readLastCursor()),
  nextEvents: wait('cursor', (cursor) => checkText('cursor', cursor, 200, 1), nextEvents),
  takeWatchdogTurn: upkeep(({ watchdog }) => watchdog.takeTurn(), true),
  deleteEnded: write(
    ['endedBeforeMs'],
    (endedBeforeMs) => [checkInteger('endedBeforeMs', endedBeforeMs, 0)],
    deleteEnded,
    false,
  ),
  checkIntegrity: upkeep(({ checkIntegrity }) => checkIntegrity(), true),
};

/** Carries out the operations of a store: in this thread, in another one, or on another machine. */
export interface Operations {
  /** Carries out one operation. @param checked what its `check` returned; it is on its way when this returns its promise */
  call<Name extends OperationName>(
    name: Name,
    checked: readonly unknown[],
    signal?: AbortSignal,
  ): Promise<OperationReply<Name>>;
  /** Finishes what is under way; waits and later calls reject with `store-closed`. Closing again does nothing. */
  close(): Promise<void>;
}
