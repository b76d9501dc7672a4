import { randomUUID } from 'node:crypto';
import { LightningError } from '../errors.ts';
import type { NamedResources, ResourcesVersion } from '../vocabulary/resources.ts';
import type { Attempt, Failure, Lease, Rollout } from '../vocabulary/rollout.ts';
import type { Span, SpanInput } from '../vocabulary/span.ts';
import { ChangeBell } from './change-bell.ts';
import { checkArray, checkId, checkInteger, checkText } from './field-checks.ts';
import type {
  Claim,
  ClaimRequest,
  EnqueueRequest,
  HeartbeatReply,
  LightningStore,
  Page,
  RolloutQuery,
  SpanQuery,
  StoreEvent,
  StoreStatistics,
  WaitOptions,
  WorkerRecord,
  WorkFilter,
} from './lightning-store.ts';
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
import { resolveRowStoreOptions, type ResolvedRowStoreOptions, type RowStoreOptions } from './row-store-options.ts';
import type { Awaitable, NewStoreEvent, RowDatabase, RowReader } from './rows.ts';
import { checkSpan, checkSpans, resolveSpanQuery } from './span-checks.ts';
import { querySubtree } from './span-tree.ts';
import { invalidField, storeClosed } from './store-errors.ts';
import {
  addReward,
  appendSpans,
  beat,
  cancelRollout,
  claimRollouts,
  completeAttempt,
  enqueueRollouts,
  failAttempt,
  removeRun,
  sweepOverdue,
  type Write,
} from './store-writes.ts';
import { followEvents, waitForClaimable, waitForFinal, type WaitingStore } from './waiting.ts';
import { WatchdogTimer } from './watchdog-timer.ts';

const overduePerWrite = 200;
/** Events are trimmed once in so many turns of the watchdog, and whenever it has other work. */
const turnsPerTrim = 100;
const watchNothing = (): void => undefined;

/** A whole store over a database of rows: checks, rules, waiting and the watchdog are here, once for every database. */
export class RowStore implements LightningStore {
  readonly #database: RowDatabase;
  readonly #options: ResolvedRowStoreOptions;
  readonly #watchdogHolder: string = randomUUID();
  readonly #watchdog: WatchdogTimer;
  readonly #bell: ChangeBell;
  readonly #waiting: WaitingStore;
  #turns: number = 0;
  #closing: Promise<void> | undefined;

  constructor(database: RowDatabase, options: RowStoreOptions = {}) {
    this.#database = database;
    this.#options = resolveRowStoreOptions(options);
    // A closed store has nothing to watch; the wait ends at its next look.
    this.#bell = new ChangeBell((listener) =>
      this.#closing === undefined ? (database.watch?.(listener) ?? watchNothing) : watchNothing,
    );
    this.#waiting = { bell: this.#bell, read: (work) => this.#read(work), now: this.#options.now };
    this.#watchdog = new WatchdogTimer(this.#options.watchdogIntervalMs, () => this.#watch());
  }

  async enqueue(requests: readonly EnqueueRequest[]): Promise<readonly Rollout[]> {
    const resolved = checkArray('requests', requests).map((request, index) =>
      resolveEnqueue(request as EnqueueRequest, index),
    );
    return resolved.length === 0 ? [] : this.#write((write) => enqueueRollouts(write, resolved));
  }

  async getRollout(rolloutId: string): Promise<Rollout | undefined> {
    checkId('rolloutId', rolloutId);
    return this.#read(async (rows) => (await rows.readRollouts([rolloutId]))[0]?.rollout);
  }

  async queryRollouts(query: RolloutQuery = {}): Promise<Page<Rollout>> {
    const resolved = resolveQuery(query);
    return this.#read((rows) => rows.queryRollouts(resolved));
  }

  async cancel(rolloutId: string, reason: string = 'cancelled'): Promise<Rollout> {
    checkId('rolloutId', rolloutId);
    const message = checkMessage('reason', reason);
    return this.#write((write) => cancelRollout(write, rolloutId, message));
  }

  async claim(request: ClaimRequest): Promise<readonly Claim[]> {
    const claim = resolveClaim(request);
    const filter = resolveFilter(request, 0);
    return this.#write((write) => claimRollouts(write, { ...filter, nowMs: write.nowMs }, claim));
  }

  async waitForWork(request: WorkFilter, options: WaitOptions = {}): Promise<void> {
    checkTimeout(options);
    return waitForClaimable(this.#waiting, resolveFilter(request, this.#options.now()), options);
  }

  async heartbeat(lease: Lease): Promise<HeartbeatReply> {
    checkLease(lease);
    return this.#write((write) => beat(write, lease));
  }

  async complete(lease: Lease): Promise<Rollout> {
    checkLease(lease);
    return this.#write((write) => completeAttempt(write, lease));
  }

  async fail(
    lease: Lease,
    failure: Failure & { readonly status?: 'failed' | 'timeout' | 'cancelled' },
  ): Promise<Rollout> {
    checkLease(lease);
    const resolved = resolveFailure(failure);
    return this.#write((write) => failAttempt(write, lease, resolved));
  }

  async queryAttempts(rolloutId: string): Promise<readonly Attempt[]> {
    checkId('rolloutId', rolloutId);
    return this.#read(async (rows) => (await rows.readAttempts(rolloutId)).map((row) => row.attempt));
  }

  async appendSpans(lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]> {
    checkLease(lease);
    const checked = checkSpans(spans);
    return this.#write((write) => appendSpans(write, lease, checked));
  }

  async querySpans(query: SpanQuery): Promise<readonly Span[]> {
    const resolved = resolveSpanQuery(query);
    const { under } = resolved;
    return this.#read((rows) =>
      under === undefined ? rows.querySpans(resolved) : querySubtree(rows, resolved, under),
    );
  }

  async addReward(rolloutId: string, span: SpanInput): Promise<number> {
    checkId('rolloutId', rolloutId);
    const checked = checkSpan('span', span);
    if (checked.kind !== 'reward') throw invalidField('span.kind', 'must be reward', checked.kind);
    return this.#write((write) => addReward(write, rolloutId, checked));
  }

  async putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion> {
    checkId('resourcesId', resourcesId);
    const checked = checkResources(resources);
    return this.#write((write) => {
      write.events.push({ type: 'resources', id: resourcesId });
      return write.rows.insertResources({ resourcesId, resources: checked, createdAtMs: write.nowMs });
    });
  }

  async getResources(resourcesId: string, version?: number): Promise<ResourcesVersion | undefined> {
    checkId('resourcesId', resourcesId);
    if (version !== undefined) checkInteger('version', version, 1);
    return this.#read((rows) => rows.readResources(resourcesId, version));
  }

  async latestResources(): Promise<ResourcesVersion | undefined> {
    return this.#read((rows) => rows.readLatestResources());
  }

  async queryWorkers(): Promise<readonly WorkerRecord[]> {
    return this.#read((rows) => rows.readWorkers());
  }

  async waitFor(rolloutIds: readonly string[], options: WaitOptions = {}): Promise<readonly Rollout[]> {
    checkTimeout(options);
    return waitForFinal(this.#waiting, checkIds('rolloutIds', rolloutIds), options);
  }

  subscribe(options: { readonly cursor?: string; readonly signal?: AbortSignal } = {}): AsyncIterable<StoreEvent> {
    const { cursor } = options;
    const from =
      cursor === undefined
        ? this.#read((rows) => rows.readLastCursor())
        : Promise.resolve().then(() => checkText('cursor', cursor, 200, 1));
    // The reader of the events gets this rejection; a subscription that nobody reads must not end the process.
    from.catch(() => undefined);
    return followEvents(this.#waiting, from, options.signal);
  }

  async runWatchdog(): Promise<number> {
    await this.#write(({ rows }) => rows.trimEvents(this.#options.keepEvents));
    for (let total = 0; ;) {
      const { seen, ended } = await this.#write((write) => sweepOverdue(write, overduePerWrite));
      total += ended;
      if (seen < overduePerWrite || ended === 0) return total;
    }
  }

  async statistics(): Promise<StoreStatistics> {
    return this.#read((rows) => rows.readStatistics());
  }

  async deleteRun(runId: string): Promise<number> {
    checkId('runId', runId);
    return this.#write((write) => removeRun(write, runId));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#watchdog.stop();
    this.#bell.ring();
    await this.#database.close();
  }

  async #read<Reply>(work: (rows: RowReader) => Awaitable<Reply>): Promise<Reply> {
    if (this.#closing !== undefined) throw storeClosed();
    return this.#database.read(work);
  }

  async #write<Reply>(work: (write: Write) => Awaitable<Reply>): Promise<Reply> {
    if (this.#closing !== undefined) throw storeClosed();
    let events: NewStoreEvent[] = [];
    const reply = await this.#database.write(async (rows) => {
      // A database may run the work again, after a conflict with another process.
      events = [];
      const result = await work({ rows, nowMs: this.#options.now(), events, generateId: this.#options.generateId });
      if (events.length > 0) await rows.appendEvents(events);
      return result;
    });
    if (events.length > 0) this.#bell.ring();
    return reply;
  }

  /** One turn of this process's watchdog; only the process that holds the watchdog lease sweeps. */
  async #watch(): Promise<void> {
    try {
      const deadlineMs = await this.#read((rows) => rows.readNextDeadlineMs());
      const nowMs = this.#options.now();
      const isTrimDue = ++this.#turns % turnsPerTrim === 0;
      if ((deadlineMs === undefined || deadlineMs > nowMs) && !isTrimDue) return;
      const isHolder = await this.#write(({ rows }) =>
        rows.takeWatchdog(this.#watchdogHolder, nowMs, nowMs + 3 * this.#options.watchdogIntervalMs),
      );
      if (isHolder) await this.runWatchdog();
    } catch (error) {
      // Nobody called, so nobody can be told: a closed or busy store is tried at the next turn, and callers see its error themselves.
      if (!LightningError.isInstance(error)) throw error;
    }
  }
}

function checkTimeout(options: WaitOptions): void {
  if (options.timeoutMs !== undefined && options.timeoutMs !== Infinity)
    checkInteger('options.timeoutMs', Math.ceil(options.timeoutMs), 0);
}
