import type { JsonValue } from '../vocabulary/json.ts';
import type { NamedResources, ResourcesVersion } from '../vocabulary/resources.ts';
import type {
  Attempt, AttemptStatus, Failure, Lease, RetryPolicy, Rollout, RolloutMode, RolloutStatus, RolloutTimeouts,
} from '../vocabulary/rollout.ts';
import type { Span, SpanInput, SpanKind } from '../vocabulary/span.ts';

/** A rollout to be. Enqueueing the same `rolloutId` with the same input again returns the stored rollout. */
export interface EnqueueRequest {
  /** @default made by the store */
  readonly rolloutId?: string;
  readonly input: JsonValue;
  /** @default 'train' */
  readonly mode?: RolloutMode;
  readonly groupId?: string;
  readonly runId?: string;
  /** @default 'default' */
  readonly queue?: string;
  /** @default 0 */
  readonly priority?: number;
  /** What a worker must have to claim it, such as `gpu` or `docker`; at most 32. @default none */
  readonly workerTags?: readonly string[];
  /** @default the latest resources, when there are any */
  readonly resourcesId?: string;
  readonly retry?: Partial<RetryPolicy>;
  readonly timeouts?: RolloutTimeouts;
  readonly metadata?: { readonly [key: string]: JsonValue };
}

export interface ClaimRequest {
  readonly workerId: string;
  /** At most this many. @default 1 */
  readonly limit?: number;
  /** How long the lease lasts without a heartbeat. @default 30_000 */
  readonly leaseMs?: number;
  /** @default ['default'] */
  readonly queues?: readonly string[];
  /** @default every mode */
  readonly modes?: readonly RolloutMode[];
  /** @default every run */
  readonly runId?: string;
  /** What this worker has; rollouts that ask for more are left to others. @default none */
  readonly workerTags?: readonly string[];
}

/** Which work a worker can do. */
export type WorkFilter = Pick<ClaimRequest, 'queues' | 'modes' | 'runId' | 'workerTags'>;

/** What a claim gives, all in one atomic step: a rollout, a new attempt and the lease on it. */
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
  /** In order of enqueueing. @default 'asc' */
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
  /** The rollout's new status, for `rollout`. */
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
 * Where rollouts live, and the only place where the training side and the running side meet.
 *
 * Every method rejects with a {@link StoreError}: `store-invalid` names a bad field, `store-not-found` a missing id,
 * `store-fenced` a writer whose lease is over, `store-closed` a closed store. An acknowledged write is never lost.
 * Final statuses are final. Statuses are decided by the rules in `watchdog.ts` and `vocabulary/rollout.ts`, never by a store.
 */
export interface LightningStore {
  /** Adds rollouts to the queue, all or none, in this order. @throws `store-conflict` when an id exists with another input. */
  enqueue(requests: readonly EnqueueRequest[]): Promise<readonly Rollout[]>;
  getRollout(rolloutId: string): Promise<Rollout | undefined>;
  queryRollouts(query?: RolloutQuery): Promise<Page<Rollout>>;
  /** Ends a rollout that is not final; its runner learns of it at the next heartbeat. A final rollout is returned as it is. */
  cancel(rolloutId: string, reason?: string): Promise<Rollout>;

  /** Takes claimable rollouts, highest priority first, then oldest first. Returns fewer than `limit` when there are fewer. */
  claim(request: ClaimRequest): Promise<readonly Claim[]>;
  /** Resolves when something may be claimable, or after `timeoutMs`; never polls faster than the store needs. */
  waitForWork(request: WorkFilter, options?: WaitOptions): Promise<void>;
  /** Extends the lease by its own length and counts as progress. @throws `store-fenced` when the attempt is another's or final. */
  heartbeat(lease: Lease): Promise<HeartbeatReply>;
  /** Ends the attempt and its rollout as `succeeded`. Repeating it with the same lease changes nothing. */
  complete(lease: Lease): Promise<Rollout>;
  /** Ends the attempt; the rollout is retried or fails by its retry policy. */
  fail(lease: Lease, failure: Failure & { readonly status?: 'failed' | 'timeout' | 'cancelled' }): Promise<Rollout>;
  queryAttempts(rolloutId: string): Promise<readonly Attempt[]>;

  /** Appends spans in this order, all or none, and issues their sequence ids. A span id that is already there is kept as it was. */
  appendSpans(lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]>;
  /** In order of rollout (as given), then sequence id. */
  querySpans(query: SpanQuery): Promise<readonly Span[]>;
  /** Adds a reward to a rollout from outside its attempt (late feedback, a human); idempotent by `span.spanId`. The rollout may be final. */
  addReward(rolloutId: string, span: SpanInput): Promise<number>;

  /** Keeps a new version under `resourcesId`; it becomes the latest. */
  putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion>;
  getResources(resourcesId: string, version?: number): Promise<ResourcesVersion | undefined>;
  latestResources(): Promise<ResourcesVersion | undefined>;

  queryWorkers(): Promise<readonly WorkerRecord[]>;
  /** Resolves with the rollouts, in the order given, once all of them are final. @throws TimeoutError `timed-out` | `cancelled`. */
  waitFor(rolloutIds: readonly string[], options?: WaitOptions): Promise<readonly Rollout[]>;
  /** Yields every event after `cursor` (from now on when absent) until the signal aborts. */
  subscribe(options?: { readonly cursor?: string; readonly signal?: AbortSignal }): AsyncIterable<StoreEvent>;
  /** Applies the watchdog's rules once, now, on the store's clock; stores also do so by themselves. Returns how many attempts and rollouts it ended. */
  runWatchdog(): Promise<number>;
  statistics(): Promise<StoreStatistics>;
  /** Removes a run's final rollouts with their attempts, spans and tokens. @throws `store-conflict` when one is not final. */
  deleteRun(runId: string): Promise<number>;
  close(): Promise<void>;
}
