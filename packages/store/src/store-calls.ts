import type {
  NamedResources,
  ResourcesVersion,
  Attempt,
  Lease,
  Rollout,
  Span,
  SpanInput,
  Claim,
  HeartbeatReply,
  Page,
  SpanQuery,
  StoreEvent,
  StoreStatistics,
  WorkerRecord,
} from '@agent-lightning/core';
import type { ResolvedClaim, ResolvedEnqueue, ResolvedFailure } from './request-checks.ts';
import type { ClaimFilter, ResolvedRolloutQuery } from './rows.ts';

/**
 * The calls of a store as `CheckedStore` makes them: every argument is checked, copied and filled in. Arguments and replies are
 * data that can cross to another thread, but for a signal, which comes last.
 */
export interface StoreCalls {
  enqueue(requests: readonly ResolvedEnqueue[]): Promise<readonly Rollout[]>;
  getRollout(rolloutId: string): Promise<Rollout | undefined>;
  queryRollouts(query: ResolvedRolloutQuery): Promise<Page<Rollout>>;
  cancel(rolloutId: string, reason: string): Promise<Rollout>;
  claim(claim: ResolvedClaim, filter: ClaimFilter): Promise<readonly Claim[]>;
  waitForWork(filter: ClaimFilter, timeoutMs: number | undefined, signal: AbortSignal | undefined): Promise<void>;
  heartbeat(lease: Lease): Promise<HeartbeatReply>;
  complete(lease: Lease): Promise<Rollout>;
  fail(lease: Lease, failure: ResolvedFailure): Promise<Rollout>;
  queryAttempts(rolloutId: string): Promise<readonly Attempt[]>;
  appendSpans(lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]>;
  querySpans(query: SpanQuery): Promise<readonly Span[]>;
  addReward(rolloutId: string, span: SpanInput): Promise<number>;
  putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion>;
  getResources(resourcesId: string, version: number | undefined): Promise<ResourcesVersion | undefined>;
  latestResources(): Promise<ResourcesVersion | undefined>;
  queryWorkers(): Promise<readonly WorkerRecord[]>;
  waitFor(
    rolloutIds: readonly string[],
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly Rollout[]>;
  /** Of the newest event, from which a subscription goes on. */
  readLastCursor(): Promise<string>;
  /** The next events after the cursor. When there are none yet, it waits, and may still return none: ask again until the signal aborts. */
  nextEvents(cursor: string, signal: AbortSignal | undefined): Promise<readonly StoreEvent[]>;
  runWatchdog(): Promise<number>;
  /** One turn of this process's watchdog: does what is due, unless another process has the watchdog. */
  takeWatchdogTurn(): Promise<void>;
  statistics(): Promise<StoreStatistics>;
  deleteRun(runId: string): Promise<number>;
  close(): Promise<void>;
}
