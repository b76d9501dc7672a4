import type { ResourcesVersion, Rollout, Span, SpanQuery, StoreEvent } from '@agent-lightning/core';
import { attemptTransitions, isFinalAttemptStatus, isFinalRolloutStatus, rolloutTransitions } from './status-graph.ts';
import type { AttemptStatus, RolloutStatus, Page, StoreStatistics, WorkerRecord } from './contract-types.ts';
import { MemoryClaimQueue } from './memory-claim-queue.ts';
import { MemoryEvents } from './memory-events.ts';
import type {
  AttemptRecord,
  ClaimableFilter,
  NewResources,
  NewStoreEvent,
  ResolvedRolloutQuery,
  RolloutRecord,
  RecordWriter,
  SpanRecord,
} from './records.ts';
import { readPageCursor } from './store-errors.ts';

/** Holds one rollout with all that belongs to it. */
interface Entry {
  readonly ordinal: number;
  record: RolloutRecord;
  readonly attempts: AttemptRecord[];
  readonly spans: Span[];
}

/** Keeps the records of a `MemoryStore`: maps, a heap of queued rollouts, and lists. Every method answers at once. */
export class MemoryRecords implements RecordWriter {
  readonly #entries: Map<string, Entry> = new Map();
  readonly #unfinished: Map<string, Entry> = new Map();
  /** The final rollouts, in the order in which they ended. */
  readonly #ended: Map<string, Entry> = new Map();
  readonly #queue: MemoryClaimQueue = new MemoryClaimQueue();
  readonly #resources: Map<string, ResourcesVersion[]> = new Map();
  readonly #workers: Map<string, number> = new Map();
  readonly #events: MemoryEvents = new MemoryEvents();
  #latestResources: ResourcesVersion | undefined;
  #lastOrdinal: number = 0;
  #lastToken: number = 0;

  readRollouts(rolloutIds: readonly string[]): readonly RolloutRecord[] {
    return this.#find(rolloutIds).map((entry) => entry.record);
  }

  queryRollouts(query: ResolvedRolloutQuery): Page<Rollout> {
    const isAscending = query.order === 'asc';
    const after = query.cursor === undefined ? undefined : readPageCursor('query.cursor', query.cursor);
    const ids = query.rolloutIds === undefined ? undefined : new Set(query.rolloutIds);
    const all = [...this.#entries.values()];
    const items: Rollout[] = [];
    let last = 0;
    for (const entry of isAscending ? all : all.reverse()) {
      if (after !== undefined && (isAscending ? entry.ordinal <= after : entry.ordinal >= after)) continue;
      if (!matches(entry.record.rollout, query, ids)) continue;
      if (items.length === query.limit) return { items, nextCursor: String(last) };
      items.push(entry.record.rollout);
      last = entry.ordinal;
    }
    return { items };
  }

  readAttempt(rolloutId: string, attemptId: string): AttemptRecord | undefined {
    return this.#entries.get(rolloutId)?.attempts.find((record) => record.attempt.attemptId === attemptId);
  }

  readAttempts(rolloutId: string): readonly AttemptRecord[] {
    return [...(this.#entries.get(rolloutId)?.attempts ?? [])];
  }

  readLatestAttempts(rolloutIds: readonly string[]): readonly AttemptRecord[] {
    return this.#find(rolloutIds).flatMap((entry) => entry.attempts.at(-1) ?? []);
  }

  findSpans(
    rolloutId: string,
    attemptId: string | undefined,
    spanIds: readonly string[],
  ): ReadonlyMap<string, SpanRecord> {
    const wanted = new Set(spanIds);
    const spans = this.#entries.get(rolloutId)?.spans ?? [];
    return new Map(
      spans
        .filter((span) => wanted.has(span.spanId) && (attemptId === undefined || span.attemptId === attemptId))
        .map((span) => [span.spanId, span]),
    );
  }

  querySpans(query: SpanQuery): readonly Span[] {
    const spanIds = query.spanIds === undefined ? undefined : new Set(query.spanIds);
    return this.#find(query.rolloutIds).flatMap((entry) => {
      const attemptId = query.attemptId === 'latest' ? entry.attempts.at(-1)?.attempt.attemptId : query.attemptId;
      return entry.spans
        .filter(
          (span) =>
            (attemptId === undefined || span.attemptId === attemptId) &&
            (query.kinds === undefined || query.kinds.includes(span.kind)) &&
            (query.name === undefined || span.name === query.name) &&
            (spanIds === undefined || spanIds.has(span.spanId)),
        )
        .map((span) => (query.includeTokens === true ? span : withoutTokens(span)));
    });
  }

  readResources(resourcesId: string, version?: number): ResourcesVersion | undefined {
    const versions = this.#resources.get(resourcesId);
    return version === undefined ? versions?.at(-1) : versions?.[version - 1];
  }

  readLatestResources(): ResourcesVersion | undefined {
    return this.#latestResources;
  }

  readWorkers(): readonly WorkerRecord[] {
    const active = new Map<string, number>();
    for (const { attempts } of this.#unfinished.values()) {
      const attempt = attempts.at(-1)?.attempt;
      if (attempt !== undefined && !isFinalAttemptStatus(attempt.status))
        active.set(attempt.workerId, (active.get(attempt.workerId) ?? 0) + 1);
    }
    return [...this.#workers].map(([workerId, lastSeenAtMs]) => ({
      workerId,
      lastSeenAtMs,
      activeAttempts: active.get(workerId) ?? 0,
    }));
  }

  readEvents(cursor: string, limit: number): readonly StoreEvent[] {
    return this.#events.read(cursor, limit);
  }

  readLastCursor(): string {
    return String(this.#events.last);
  }

  readNextAvailableMs(filter: ClaimableFilter): number | undefined {
    let earliest: number | undefined;
    for (const queued of this.#queue.entries(filter)) {
      const record = this.#current(queued.rollout.rolloutId, queued.ordinal)?.record;
      if (record === undefined || !isQueued(record.rollout) || isOverdue(record, filter.nowMs)) continue;
      const { rollout } = record;
      if (!hasTags(rollout, filter)) continue;
      if (earliest === undefined || rollout.availableAtMs < earliest) earliest = rollout.availableAtMs;
      if (earliest <= filter.nowMs) return earliest;
    }
    return earliest;
  }

  readNextDeadlineMs(): number | undefined {
    let earliest: number | undefined;
    for (const {
      record: { deadlineMs },
    } of this.#unfinished.values()) {
      if (deadlineMs !== undefined && (earliest === undefined || deadlineMs < earliest)) earliest = deadlineMs;
    }
    return earliest;
  }

  readStatistics(): StoreStatistics {
    const rollouts = zeroes(Object.keys(rolloutTransitions) as RolloutStatus[]);
    const attempts = zeroes(Object.keys(attemptTransitions) as AttemptStatus[]);
    let spans = 0;
    let tokens = 0;
    let resources = 0;
    for (const entry of this.#entries.values()) {
      rollouts[entry.record.rollout.status]++;
      for (const record of entry.attempts) attempts[record.attempt.status]++;
      spans += entry.spans.length;
      for (const span of entry.spans) tokens += (span.tokens?.prompt.length ?? 0) + (span.tokens?.response.length ?? 0);
    }
    for (const versions of this.#resources.values()) resources += versions.length;
    return { rollouts, attempts, spans, tokens, resources };
  }

  lockClaimable(filter: ClaimableFilter, limit: number): readonly RolloutRecord[] {
    const ids = this.#queue.take(filter, limit, (rolloutId, ordinal) => {
      const record = this.#current(rolloutId, ordinal)?.record;
      if (record === undefined || !isQueued(record.rollout)) return 'stale';
      const isAvailable = record.rollout.availableAtMs <= filter.nowMs && !isOverdue(record, filter.nowMs);
      return !isAvailable || !hasTags(record.rollout, filter) ? 'later' : 'yes';
    });
    return this.readRollouts(ids);
  }

  lockOverdue(nowMs: number, limit: number): readonly RolloutRecord[] {
    return [...this.#unfinished.values()]
      .map((entry) => entry.record)
      .filter((record) => isOverdue(record, nowMs))
      .sort((left, right) => (left.deadlineMs as number) - (right.deadlineMs as number))
      .slice(0, limit);
  }

  takeFencingTokens(count: number): number {
    const first = this.#lastToken + 1;
    this.#lastToken += count;
    return first;
  }

  insertRollouts(records: readonly RolloutRecord[]): void {
    for (const record of records) {
      const entry: Entry = { ordinal: ++this.#lastOrdinal, record, attempts: [], spans: [] };
      this.#entries.set(record.rollout.rolloutId, entry);
      this.#unfinished.set(record.rollout.rolloutId, entry);
      this.#queue.add(record.rollout, entry.ordinal);
    }
  }

  saveRollouts(records: readonly RolloutRecord[]): void {
    for (const record of records) {
      const { rolloutId } = record.rollout;
      const entry = this.#entries.get(rolloutId) as Entry;
      const wasQueued = isQueued(entry.record.rollout);
      entry.record = record;
      if (isFinalRolloutStatus(record.rollout.status)) {
        this.#unfinished.delete(rolloutId);
        this.#ended.set(rolloutId, entry);
      }
      if (isQueued(record.rollout) && !wasQueued) this.#queue.add(record.rollout, entry.ordinal);
    }
  }

  insertAttempts(records: readonly AttemptRecord[]): void {
    for (const record of records) this.#entries.get(record.attempt.rolloutId)?.attempts.push(record);
  }

  saveAttempts(records: readonly AttemptRecord[]): void {
    for (const record of records) {
      const attempts = this.#entries.get(record.attempt.rolloutId)?.attempts;
      attempts?.splice(record.attempt.attemptNumber - 1, 1, record);
    }
  }

  insertSpans(spans: readonly Span[]): void {
    for (const span of spans) this.#entries.get(span.rolloutId)?.spans.push(span);
  }

  endSpans(spans: readonly Span[]): void {
    // Sequence ids have no gaps, so that a span's place is its own.
    for (const span of spans) this.#entries.get(span.rolloutId)?.spans.splice(span.sequenceId - 1, 1, span);
  }

  insertResources(given: NewResources): ResourcesVersion {
    const versions = this.#resources.get(given.resourcesId) ?? [];
    const added: ResourcesVersion = { ...given, version: versions.length + 1 };
    this.#resources.set(given.resourcesId, [...versions, added]);
    this.#latestResources = added;
    return added;
  }

  touchWorker(workerId: string, nowMs: number): void {
    this.#workers.set(workerId, nowMs);
  }

  appendEvents(events: readonly NewStoreEvent[]): void {
    this.#events.append(events);
  }

  trimEvents(keep: number): void {
    this.#events.trim(keep);
  }

  readUnfinished(runId: string, limit: number): readonly string[] {
    return [...this.#unfinished]
      .filter(([, entry]) => entry.record.rollout.runId === runId)
      .slice(0, limit)
      .map(([rolloutId]) => rolloutId);
  }

  deleteRun(runId: string): number {
    const ids = this.#delete(this.#entries, ({ rollout }) => rollout.runId === runId, Infinity);
    this.#events.removeRollouts(new Set(ids));
    return ids.length;
  }

  deleteEnded(endedMs: number, limit: number): number {
    return this.#delete(this.#ended, ({ rollout: { endedAtMs } }) => (endedAtMs as number) <= endedMs, limit).length;
  }

  #delete(
    among: ReadonlyMap<string, Entry>,
    matches: (record: RolloutRecord) => boolean,
    limit: number,
  ): readonly string[] {
    const ids: string[] = [];
    for (const [rolloutId, { record }] of among) {
      if (ids.length === limit) break;
      if (!matches(record)) continue;
      this.#entries.delete(rolloutId);
      this.#ended.delete(rolloutId);
      ids.push(rolloutId);
    }
    return ids;
  }

  takeWatchdog(): boolean {
    return true;
  }

  /** Returns the rollout of this ordinal; an id that was deleted and enqueued again has another. */
  #current(rolloutId: string, ordinal: number): Entry | undefined {
    const entry = this.#entries.get(rolloutId);
    return entry?.ordinal === ordinal ? entry : undefined;
  }

  #find(rolloutIds: readonly string[]): Entry[] {
    return rolloutIds.flatMap((rolloutId) => this.#entries.get(rolloutId) ?? []);
  }
}

function isQueued(rollout: Rollout): boolean {
  return rollout.status === 'queuing' || rollout.status === 'requeuing';
}

function isOverdue({ deadlineMs }: RolloutRecord, nowMs: number): boolean {
  return deadlineMs !== undefined && deadlineMs <= nowMs;
}

function hasTags({ workerTags = [] }: Rollout, filter: ClaimableFilter): boolean {
  return workerTags.every((tag) => filter.workerTags.includes(tag));
}

function matches(rollout: Rollout, query: ResolvedRolloutQuery, ids: ReadonlySet<string> | undefined): boolean {
  return (
    (ids === undefined || ids.has(rollout.rolloutId)) &&
    (query.statuses === undefined || query.statuses.includes(rollout.status)) &&
    (query.modes === undefined || query.modes.includes(rollout.mode)) &&
    (query.runId === undefined || query.runId === rollout.runId) &&
    (query.groupId === undefined || query.groupId === rollout.groupId) &&
    (query.endedSinceMs === undefined || (rollout.endedAtMs ?? -Infinity) >= query.endedSinceMs)
  );
}

function withoutTokens({ tokens: _tokens, ...span }: Span): Span {
  return span;
}

function zeroes<Key extends string>(keys: readonly Key[]): Record<Key, number> {
  return Object.fromEntries(keys.map((key) => [key, 0])) as Record<Key, number>;
}
