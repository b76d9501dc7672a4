import { randomUUID } from 'node:crypto';
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
import { ChangeBell } from './change-bell.ts';
import type { ResolvedClaim, ResolvedEnqueue, ResolvedFailure } from './request-checks.ts';
import { resolveRowStoreOptions, type ResolvedRowStoreOptions, type RowStoreOptions } from './row-store-options.ts';
import type { Awaitable, ClaimFilter, NewStoreEvent, ResolvedRolloutQuery, RowDatabase, RowReader } from './rows.ts';
import { querySubtree } from './span-tree.ts';
import type { StoreCalls } from './store-calls.ts';
import { storeClosed } from './store-errors.ts';
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
import { nextEvents, waitForClaimable, waitForFinal, type WaitingStore } from './waiting.ts';

const overduePerWrite = 200;
/** Events are trimmed once in so many turns of the watchdog, and whenever it has other work. */
const turnsPerTrim = 100;
const watchNothing = (): void => undefined;

/** The calls of a store over a database of rows: rules, waiting and the watchdog's work are here, once for every database. */
export class RowCalls implements StoreCalls {
  readonly #database: RowDatabase;
  readonly #options: ResolvedRowStoreOptions;
  readonly #watchdogHolder: string = randomUUID();
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
  }

  async enqueue(requests: readonly ResolvedEnqueue[]): Promise<readonly Rollout[]> {
    return requests.length === 0 ? [] : this.#write((write) => enqueueRollouts(write, requests));
  }

  async getRollout(rolloutId: string): Promise<Rollout | undefined> {
    return this.#read(async (rows) => (await rows.readRollouts([rolloutId]))[0]?.rollout);
  }

  async queryRollouts(query: ResolvedRolloutQuery): Promise<Page<Rollout>> {
    return this.#read((rows) => rows.queryRollouts(query));
  }

  async cancel(rolloutId: string, reason: string): Promise<Rollout> {
    return this.#write((write) => cancelRollout(write, rolloutId, reason));
  }

  async claim(claim: ResolvedClaim, filter: ClaimFilter): Promise<readonly Claim[]> {
    return this.#write((write) => claimRollouts(write, { ...filter, nowMs: write.nowMs }, claim));
  }

  async waitForWork(
    filter: ClaimFilter,
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    return waitForClaimable(this.#waiting, filter, timeoutMs, signal);
  }

  async heartbeat(lease: Lease): Promise<HeartbeatReply> {
    return this.#write((write) => beat(write, lease));
  }

  async complete(lease: Lease): Promise<Rollout> {
    return this.#write((write) => completeAttempt(write, lease));
  }

  async fail(lease: Lease, failure: ResolvedFailure): Promise<Rollout> {
    return this.#write((write) => failAttempt(write, lease, failure));
  }

  async queryAttempts(rolloutId: string): Promise<readonly Attempt[]> {
    return this.#read(async (rows) => (await rows.readAttempts(rolloutId)).map((row) => row.attempt));
  }

  async appendSpans(lease: Lease, spans: readonly SpanInput[]): Promise<readonly number[]> {
    return this.#write((write) => appendSpans(write, lease, spans));
  }

  async querySpans(query: SpanQuery): Promise<readonly Span[]> {
    const { under } = query;
    return this.#read((rows) => (under === undefined ? rows.querySpans(query) : querySubtree(rows, query, under)));
  }

  async addReward(rolloutId: string, span: SpanInput): Promise<number> {
    return this.#write((write) => addReward(write, rolloutId, span));
  }

  async putResources(resourcesId: string, resources: NamedResources): Promise<ResourcesVersion> {
    return this.#write((write) => {
      write.events.push({ type: 'resources', id: resourcesId });
      return write.rows.insertResources({ resourcesId, resources, createdAtMs: write.nowMs });
    });
  }

  async getResources(resourcesId: string, version: number | undefined): Promise<ResourcesVersion | undefined> {
    return this.#read((rows) => rows.readResources(resourcesId, version));
  }

  async latestResources(): Promise<ResourcesVersion | undefined> {
    return this.#read((rows) => rows.readLatestResources());
  }

  async queryWorkers(): Promise<readonly WorkerRecord[]> {
    return this.#read((rows) => rows.readWorkers());
  }

  async waitFor(
    rolloutIds: readonly string[],
    timeoutMs: number | undefined,
    signal: AbortSignal | undefined,
  ): Promise<readonly Rollout[]> {
    return waitForFinal(this.#waiting, rolloutIds, timeoutMs, signal);
  }

  async readLastCursor(): Promise<string> {
    return this.#read((rows) => rows.readLastCursor());
  }

  async nextEvents(cursor: string, signal: AbortSignal | undefined): Promise<readonly StoreEvent[]> {
    return nextEvents(this.#waiting, cursor, signal);
  }

  async runWatchdog(): Promise<number> {
    await this.#write(({ rows }) => rows.trimEvents(this.#options.keepEvents));
    for (let total = 0; ;) {
      const { seen, ended } = await this.#write((write) => sweepOverdue(write, overduePerWrite));
      total += ended;
      if (seen < overduePerWrite || ended === 0) return total;
    }
  }

  /** Only the process that holds the watchdog lease sweeps. */
  async takeWatchdogTurn(): Promise<void> {
    const deadlineMs = await this.#read((rows) => rows.readNextDeadlineMs());
    const nowMs = this.#options.now();
    const isTrimDue = ++this.#turns % turnsPerTrim === 0;
    if ((deadlineMs === undefined || deadlineMs > nowMs) && !isTrimDue) return;
    const isHolder = await this.#write(({ rows }) =>
      rows.takeWatchdog(this.#watchdogHolder, nowMs, nowMs + 3 * this.#options.watchdogIntervalMs),
    );
    if (isHolder) await this.runWatchdog();
  }

  async statistics(): Promise<StoreStatistics> {
    return this.#read((rows) => rows.readStatistics());
  }

  async deleteRun(runId: string): Promise<number> {
    return this.#write((write) => removeRun(write, runId));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
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
}
