import {
  LightningError,
  type NamedResources,
  type ResourcesVersion,
  type Attempt,
  type Failure,
  type Lease,
  type Rollout,
  type Span,
  type SpanInput,
  type Claim,
  type ClaimRequest,
  type EnqueueRequest,
  type HeartbeatReply,
  type LightningStore,
  type Page,
  type RolloutQuery,
  type SpanQuery,
  type StoreEvent,
  type StoreStatistics,
  type WaitOptions,
  type WorkerRecord,
  type WorkFilter,
} from '@agent-lightning/core';
import { checkArray, checkId, checkInteger, checkText } from './field-checks.ts';
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
import { resolveRowStoreOptions, type RowStoreOptions } from './row-store-options.ts';
import { checkSpan, checkSpans, resolveSpanQuery } from './span-checks.ts';
import type { StoreCalls } from './store-calls.ts';
import { invalidField } from './store-errors.ts';
import { followEvents } from './waiting.ts';
import { WatchdogTimer } from './watchdog-timer.ts';

/** The door of a store: checks and copies what callers give, and hands it on to the calls behind, in this thread or another one. */
export class CheckedStore implements LightningStore {
  readonly #calls: StoreCalls;
  /** On this side, where heartbeats are sent: a thread that stood still must not find its leases taken before it could send one. */
  readonly #watchdog: WatchdogTimer;

  constructor(calls: StoreCalls, options: Pick<RowStoreOptions, 'watchdogIntervalMs'> = {}) {
    this.#calls = calls;
    this.#watchdog = new WatchdogTimer(resolveRowStoreOptions(options).watchdogIntervalMs, () => this.#watch());
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<readonly Rollout[]> {
    return this.#calls.enqueue(
      checkArray('requests', requests).map((request, index) => resolveEnqueue(request as EnqueueRequest, index)),
    );
  }

  async getRollout(rolloutId: string): Promise<Rollout | undefined> {
    return this.#calls.getRollout(checkId('rolloutId', rolloutId));
  }

  async queryRollouts(query: RolloutQuery = {}): Promise<Page<Rollout>> {
    return this.#calls.queryRollouts(resolveQuery(query));
  }

  async cancel(rolloutId: string, reason: string = 'cancelled'): Promise<Rollout> {
    return this.#calls.cancel(checkId('rolloutId', rolloutId), checkMessage('reason', reason));
  }

  async claim(request: ClaimRequest): Promise<readonly Claim[]> {
    return this.#calls.claim(resolveClaim(request), resolveFilter(request));
  }

  async waitForWork(request: WorkFilter, options: WaitOptions = {}): Promise<void> {
    return this.#calls.waitForWork(resolveFilter(request), checkTimeout(options), options.signal);
  }

  async heartbeat(lease: Lease): Promise<HeartbeatReply> {
    return this.#calls.heartbeat(checkLease(lease));
  }

  async complete(lease: Lease): Promise<Rollout> {
    return this.#calls.complete(checkLease(lease));
  }

  async fail(
    lease: Lease,
    failure: Failure & { readonly status?: 'failed' | 'timeout' | 'cancelled' },
  ): Promise<Rollout> {
    return this.#calls.fail(checkLease(lease), resolveFailure(failure));
  }

  async queryAttempts(rolloutId: string): Promise<readonly Attempt[]> {
    return this.#calls.queryAttempts(checkId('rolloutId', rolloutId));
  }

  async appendSpans(lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]> {
    return this.#calls.appendSpans(checkLease(lease), checkSpans(spans));
  }

  async querySpans(query: SpanQuery): Promise<readonly Span[]> {
    return this.#calls.querySpans(resolveSpanQuery(query));
  }

  async addReward(rolloutId: string, span: SpanInput): Promise<number> {
    checkId('rolloutId', rolloutId);
    const checked = checkSpan('span', span);
    if (checked.kind !== 'reward') throw invalidField('span.kind', 'must be reward', checked.kind);
    return this.#calls.addReward(rolloutId, checked);
  }

  async putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion> {
    return this.#calls.putResources(checkId('resourcesId', resourcesId), checkResources(resources));
  }

  async getResources(resourcesId: string, version?: number): Promise<ResourcesVersion | undefined> {
    checkId('resourcesId', resourcesId);
    if (version !== undefined) checkInteger('version', version, 1);
    return this.#calls.getResources(resourcesId, version);
  }

  async latestResources(): Promise<ResourcesVersion | undefined> {
    return this.#calls.latestResources();
  }

  async queryWorkers(): Promise<readonly WorkerRecord[]> {
    return this.#calls.queryWorkers();
  }

  async waitFor(rolloutIds: readonly string[], options: WaitOptions = {}): Promise<readonly Rollout[]> {
    const timeoutMs = checkTimeout(options);
    return this.#calls.waitFor(checkIds('rolloutIds', rolloutIds), timeoutMs, options.signal);
  }

  subscribe(options: { readonly cursor?: string; readonly signal?: AbortSignal } = {}): AsyncIterable<StoreEvent> {
    const { cursor } = options;
    const from =
      cursor === undefined
        ? this.#calls.readLastCursor()
        : Promise.resolve().then(() => checkText('cursor', cursor, 200, 1));
    // The reader of the events gets this rejection; a subscription that nobody reads must not end the process.
    from.catch(() => undefined);
    return followEvents(this.#calls, from, options.signal);
  }

  async runWatchdog(): Promise<number> {
    return this.#calls.runWatchdog();
  }

  async statistics(): Promise<StoreStatistics> {
    return this.#calls.statistics();
  }

  async deleteRun(runId: string): Promise<number> {
    return this.#calls.deleteRun(checkId('runId', runId));
  }

  close(): Promise<void> {
    this.#watchdog.stop();
    return this.#calls.close();
  }

  async #watch(): Promise<void> {
    try {
      await this.#calls.takeWatchdogTurn();
    } catch (error) {
      // Nobody called, so nobody can be told: a closed or busy store is tried at the next turn, and callers see its error themselves.
      if (!LightningError.isInstance(error)) throw error;
    }
  }
}

function checkTimeout({ timeoutMs }: WaitOptions): number | undefined {
  if (timeoutMs !== undefined && timeoutMs !== Infinity) checkInteger('options.timeoutMs', Math.ceil(timeoutMs), 0);
  return timeoutMs;
}
