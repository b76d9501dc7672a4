import type { JsonValue } from '../vocabulary/json.ts';
import type { NamedResources, ResourcesVersion } from '../vocabulary/resources.ts';
import type {
  Attempt,
  AttemptStatus,
  Failure,
  Lease,
  RetryPolicy,
  Rollout,
  RolloutMode,
  RolloutStatus,
  RolloutTimeouts,
} from '../vocabulary/rollout.ts';
import type { Span, SpanInput, SpanKind } from '../vocabulary/span.ts';

/** A rollout to be. Enqueueing the same `rolloutId` with the same input, mode, run and group again returns the stored rollout. */
export interface EnqueueRequest {
  /** @default made by the store */
  readonly rolloutId?: string;
  /** The task: at most 64 levels deep and 8 Mi characters as JSON; no NaN. Members that are `undefined` are left out. */
  readonly input: JsonValue;
  /** @default 'train' */
  readonly mode?: RolloutMode;
  readonly groupId?: string;
  readonly runId?: string;
  /** @default 'default' */
  readonly queue?: string;
  /** @default 0 */
  readonly priority?: number;
  /** Tags that a worker must have to claim it, such as `gpu` or `docker`; at most 32. @default none */
  readonly workerTags?: readonly string[];
  /** @default the latest resources, when there are any */
  readonly resourcesId?: string;
  readonly retry?: Partial<RetryPolicy>;
  readonly timeouts?: RolloutTimeouts;
  readonly metadata?: { readonly [key: string]: JsonValue };
}

export interface ClaimRequest {
  readonly workerId: string;
  /** The most rollouts to claim, 1 to 10_000. @default 1 */
  readonly limit?: number;
  /** The time that the lease lasts without a heartbeat. @default 30_000 */
  readonly leaseMs?: number;
  /** @default ['default'] */
  readonly queues?: readonly string[];
  /** @default every mode */
  readonly modes?: readonly RolloutMode[];
  /** @default every run */
  readonly runId?: string;
  /** Tags that this worker has; rollouts that ask for more are left to others. @default none */
  readonly workerTags?: readonly string[];
}

/** Describes the work that a worker can do. */
export type WorkFilter = Pick<ClaimRequest, 'queues' | 'modes' | 'runId' | 'workerTags'>;

/** The result of a claim, made in one atomic step: a rollout, a new attempt and the lease on it. */
export interface Claim {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
  readonly lease: Lease;
}

export interface HeartbeatReply {
  /** `cancelled`: stop the agent, the rollout was cancelled; the attempt is already final. */
  readonly state: 'running' | 'cancelled';
  readonly leaseExpiresAtMs: number;
}

export interface Page<Item> {
  readonly items: readonly Item[];
  /** Give it as `cursor` for the next page; absent on the last one. */
  readonly nextCursor?: string;
}

export interface RolloutQuery {
  readonly rolloutIds?: readonly string[];
  readonly statuses?: readonly RolloutStatus[];
  readonly modes?: readonly RolloutMode[];
  readonly runId?: string;
  readonly groupId?: string;
  /** Only rollouts that ended at this time or later, in milliseconds since the epoch. In a database, what they cost does not grow with those that ended before. */
  readonly endedSinceMs?: number;
  /** The order by time of enqueueing. @default 'asc' */
  readonly order?: 'asc' | 'desc';
  /** 1 to 10_000. @default 1_000 */
  readonly limit?: number;
  readonly cursor?: string;
}

export interface SpanQuery {
  readonly rolloutIds: readonly string[];
  /** An attempt id, or the newest attempt of each rollout. @default every attempt */
  readonly attemptId?: string | 'latest';
  readonly kinds?: readonly SpanKind[];
  readonly name?: string;
  /** Ids of spans, at most 100,000: only these. Reading a few costs no more in a long rollout than in a short one. @default all */
  readonly spanIds?: readonly string[];
  /** A span id: only spans below this span, at any depth, of the same attempt. The other filters apply to what is found. */
  readonly under?: string;
  /** Read token blobs too. @default false */
  readonly includeTokens?: boolean;
}

export interface WorkerRecord {
  readonly workerId: string;
  readonly lastSeenAtMs: number;
  /** Attempts that this worker holds a live lease on. */
  readonly activeAttempts: number;
}

/** Something that happened to a rollout or to the resources; `cursor` orders events and resumes a subscription. */
export interface StoreEvent {
  readonly cursor: string;
  readonly type: 'rollout' | 'resources';
  /** The rollout's or the resources' id. */
  readonly id: string;
  /** The rollout's new status, for `rollout`: one event for each change of status, in the order of the changes. */
  readonly status?: RolloutStatus;
}

export interface StoreStatistics {
  readonly rollouts: Readonly<Record<RolloutStatus, number>>;
  readonly attempts: Readonly<Record<AttemptStatus, number>>;
  readonly spans: number;
  readonly tokens: number;
  readonly resources: number;
}

export interface WaitOptions {
  readonly signal?: AbortSignal;
  /** @default no limit */
  readonly timeoutMs?: number;
}

/**
 * Keeps rollouts. It is the only place where the training side and the running side meet.
 *
 * Every method rejects with a {@link StoreError}: `store-invalid` names a bad field, `store-not-found` a missing id,
 * `store-conflict` a call that does not fit what is stored, `store-fenced` a writer whose lease is over, `store-closed` a
 * closed store, and `store-unavailable`, `-full`, `-readonly`, `-corrupt` what the database met. A call that rejects has
 * changed nothing. An acknowledged write is never lost, and every later read sees it. A write may be delivered twice:
 * the second time changes nothing and answers the same, but for `claim`, `putResources`, `deleteRun`, `runWatchdog`, and an
 * `enqueue` without ids.
 *
 * Attempts run at least once: a worker that is cut off may still be running while its rollout is claimed again, but it can
 * no longer write. Final statuses are final. Statuses follow from the rules in `rollout-rules.ts` and `overdue-rules.ts`,
 * which are the same for every store; all moments are the store's clock, never a caller's.
 */
export interface LightningStore {
  /**
   * Adds rollouts to the queue, all or none, in this order; at most 100_000.
   * @throws `store-conflict` when an id exists with another input, mode, run or group · `store-not-found` for resources that do not exist
   */
  enqueue(requests: readonly EnqueueRequest[]): Promise<readonly Rollout[]>;
  getRollout(rolloutId: string): Promise<Rollout | undefined>;
  /** Returns a page of rollouts. An empty list in the query matches nothing. A page is a moment's view; what is enqueued meanwhile comes on the last page. */
  queryRollouts(query?: RolloutQuery): Promise<Page<Rollout>>;
  /** Ends a rollout that is not final, and its attempt; the runner learns of it at its next heartbeat. A final rollout is returned as it is. */
  cancel(rolloutId: string, reason?: string): Promise<Rollout>;

  /**
   * Takes claimable rollouts, highest priority first, then oldest first: a retry keeps its place. Returns fewer than `limit`
   * when there are fewer, and none at once; wait with `waitForWork`. No rollout whose queue or total time is over is given out.
   */
  claim(request: ClaimRequest): Promise<readonly Claim[]>;
  /** Resolves when something may be claimable, after `timeoutMs`, or when the signal aborts. Another worker may be faster, so claim and wait in a loop. */
  waitForWork(request: WorkFilter, options?: WaitOptions): Promise<void>;
  /**
   * Extends the lease to its full length from now and counts as progress. Send it every third of the lease. A late one still
   * saves a lease that ran out while the watchdog has not taken it. @throws `store-fenced` when the attempt is another's or final
   */
  heartbeat(lease: Lease): Promise<HeartbeatReply>;
  /** Ends the attempt and its rollout as `succeeded`. Repeating it with the same lease changes nothing. */
  complete(lease: Lease): Promise<Rollout>;
  /**
   * Ends the attempt as `status` (default `failed`); the rollout is retried by its policy, or else ends: `cancelled` after a
   * cancelled attempt, `failed` after the others. Repeating it with the same lease and failure changes nothing.
   */
  fail(lease: Lease, failure: Failure & { readonly status?: 'failed' | 'timeout' | 'cancelled' }): Promise<Rollout>;
  queryAttempts(rolloutId: string): Promise<readonly Attempt[]>;
  /**
   * Returns the lease of an attempt, whoever claimed it: a server writes with it what comes in under the attempt's id alone, as
   * OpenTelemetry and other protocols have it. Undefined once the attempt is over, and for ids that are not in the store. Give it to
   * nobody who may not write to every attempt.
   */
  getLease(rolloutId: string, attemptId: string): Promise<Lease | undefined>;

  /**
   * Appends spans in this order, all or none, and issues their sequence ids; counts as progress. A span id that the attempt
   * already has is kept as it was, and its old sequence id is returned, also after the attempt's end; only an open span is replaced,
   * by the first one of its id that is not open, and keeps its sequence id. The spans are copied before this returns its promise.
   * @throws `store-invalid` naming the span and the field · `store-fenced` when a new span, or the end of an open one, comes after
   * the attempt's end
   */
  appendSpans(lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]>;
  /** Returns spans in order of rollout (as given), then of sequence id. */
  querySpans(query: SpanQuery): Promise<readonly Span[]>;
  /**
   * Adds a reward to a rollout's newest attempt from outside (late feedback, a human); idempotent by `span.spanId` within the
   * rollout, which may be final. @throws `store-conflict` before the first attempt
   */
  addReward(rolloutId: string, span: SpanInput): Promise<number>;

  /** Keeps a new version under `resourcesId`; it becomes the latest of all. Versions are never changed or removed. */
  putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion>;
  /** Returns the given version, or the newest one of this id. */
  getResources(resourcesId: string, version?: number): Promise<ResourcesVersion | undefined>;
  latestResources(): Promise<ResourcesVersion | undefined>;

  queryWorkers(): Promise<readonly WorkerRecord[]>;
  /** Resolves with the rollouts, in the order given, once all of them are final. @throws TimeoutError `timed-out` | `cancelled`. */
  waitFor(rolloutIds: readonly string[], options?: WaitOptions): Promise<readonly Rollout[]>;
  /**
   * Yields every event after `cursor` (from the moment of the call when absent) until the signal aborts. Events of deleted runs
   * are gone, and old ones beyond the store's `keepEvents`. @throws `store-not-found` when the cursor is older than those kept
   */
  subscribe(options?: { readonly cursor?: string; readonly signal?: AbortSignal }): AsyncIterable<StoreEvent>;
  /** Applies the watchdog's rules once, now, on the store's clock; stores also do so by themselves, in one process at a time. Returns how many attempts and rollouts it ended. */
  runWatchdog(): Promise<number>;
  statistics(): Promise<StoreStatistics>;
  /** Removes a run's final rollouts with their attempts, spans and tokens. @throws `store-conflict` when one is not final. */
  deleteRun(runId: string): Promise<number>;
  /** Finishes the writes under way; waits and later calls reject with `store-closed`. Closing again does nothing. */
  close(): Promise<void>;
}
