import type {
  NamedResources,
  ResourcesVersion,
  Attempt,
  Rollout,
  RolloutMode,
  Span,
  SpanQuery,
  StoreEvent,
} from '@agent-lightning/core';
import type { Page, RolloutQuery, StoreStatistics, WorkerRecord } from './contract-types.ts';

/** Lets a database answer at once or later. */
export type Awaitable<Value> = Value | Promise<Value>;

/** Holds a rollout as a database keeps it: what users see, and what the rules need beside it. */
export interface RolloutRecord {
  readonly rollout: Rollout;
  /** The highest sequence id issued to a span of this rollout; 0 before the first. */
  readonly lastSequenceId: number;
  /** The time on the store's clock at which the watchdog has to look at this rollout next; absent when never. */
  readonly deadlineMs?: number;
}

/** Holds an attempt as a database keeps it, with the lease of its writer. */
export interface AttemptRecord {
  readonly attempt: Attempt;
  readonly fencingToken: number;
  readonly leaseMs: number;
}

/** Selects the rollouts that a claim may take: queued, available at `nowMs`, and with no deadline before it. */
export interface ClaimableFilter {
  readonly nowMs: number;
  readonly queues: readonly string[];
  /** The modes to claim; every mode when it is empty. */
  readonly modes: readonly RolloutMode[];
  readonly runId?: string;
  /** A rollout that asks for a tag which is not among these is not taken. */
  readonly workerTags: readonly string[];
}

/** Selects the same before the moment of the claim is known. */
export type ClaimFilter = Omit<ClaimableFilter, 'nowMs'>;

/** Holds what a write needs to know of a stored span. */
export type SpanRecord = Pick<Span, 'sequenceId' | 'isOpen'>;

export type NewStoreEvent = Omit<StoreEvent, 'cursor'>;
/** Holds a checked query: every default is filled in. */
export type ResolvedRolloutQuery = RolloutQuery & Required<Pick<RolloutQuery, 'order' | 'limit'>>;
export type NewResources = {
  readonly resourcesId: string;
  readonly resources: NamedResources;
  readonly createdAtMs: number;
};

/** Reads records that are committed. Inside a write it also sees that write's own changes. */
export interface RecordReader {
  /** Returns the records that exist, in any order. Inside a write they stay locked until it ends. */
  readRollouts(rolloutIds: readonly string[]): Awaitable<readonly RolloutRecord[]>;
  /** Returns rollouts in order of enqueueing, or the reverse; the cursor is the database's own. */
  queryRollouts(query: ResolvedRolloutQuery): Awaitable<Page<Rollout>>;
  readAttempt(rolloutId: string, attemptId: string): Awaitable<AttemptRecord | undefined>;
  /** Returns a rollout's attempts in order of attempt number. */
  readAttempts(rolloutId: string): Awaitable<readonly AttemptRecord[]>;
  /** Returns the newest attempt of each rollout that has one, in any order. */
  readLatestAttempts(rolloutIds: readonly string[]): Awaitable<readonly AttemptRecord[]>;
  /** Returns by span id those of the spans that an attempt (or, without one, any attempt of the rollout) already has. */
  findSpans(
    rolloutId: string,
    attemptId: string | undefined,
    spanIds: readonly string[],
  ): Awaitable<ReadonlyMap<string, SpanRecord>>;
  /** Returns spans; `under` is applied by the rules. */
  querySpans(query: Omit<SpanQuery, 'under'>): Awaitable<readonly Span[]>;
  /** Returns the given version, or the newest one of that id. */
  readResources(resourcesId: string, version?: number): Awaitable<ResourcesVersion | undefined>;
  readLatestResources(): Awaitable<ResourcesVersion | undefined>;
  readWorkers(): Awaitable<readonly WorkerRecord[]>;
  /** Returns events after the cursor, oldest first. @throws what `readEventCursor` throws: the cursor is not a store's, or too old */
  readEvents(cursor: string, limit: number): Awaitable<readonly StoreEvent[]>;
  readLastCursor(): Awaitable<string>;
  /** Returns the earliest moment at which a queued rollout of this filter is claimable, which may be over; overdue ones do not count. */
  readNextAvailableMs(filter: ClaimableFilter): Awaitable<number | undefined>;
  /** Returns the earliest deadline of all rollouts. */
  readNextDeadlineMs(): Awaitable<number | undefined>;
  readStatistics(): Awaitable<StoreStatistics>;
}

/** Writes records inside one transaction. It stores what it is given and decides nothing. */
export interface RecordWriter extends RecordReader {
  /** Locks and returns claimable records: highest priority, then oldest. Those that another writer holds are skipped. */
  lockClaimable(filter: ClaimableFilter, limit: number): Awaitable<readonly RolloutRecord[]>;
  /** Locks and returns records whose deadline is at or before `nowMs`, most overdue first. */
  lockOverdue(nowMs: number, limit: number): Awaitable<readonly RolloutRecord[]>;
  /** Reserves `count` consecutive tokens, larger than every one before, and returns the first. */
  takeFencingTokens(count: number): Awaitable<number>;
  insertRollouts(records: readonly RolloutRecord[]): Awaitable<void>;
  /** Saves status, attempt count, failure, times, last sequence id and deadline; the other fields never change. */
  saveRollouts(records: readonly RolloutRecord[]): Awaitable<void>;
  insertAttempts(records: readonly AttemptRecord[]): Awaitable<void>;
  saveAttempts(records: readonly AttemptRecord[]): Awaitable<void>;
  /** Inserts spans of one attempt. */
  insertSpans(spans: readonly Span[]): Awaitable<void>;
  /** Replaces open spans of one attempt, which have no tokens, by the ones with their sequence ids. */
  endSpans(spans: readonly Span[]): Awaitable<void>;
  insertResources(resources: NewResources): Awaitable<ResourcesVersion>;
  touchWorker(workerId: string, nowMs: number): Awaitable<void>;
  /** Appends events. Their cursors are in the order of commits: who reads an event later sees every event with a smaller cursor. */
  appendEvents(events: readonly NewStoreEvent[]): Awaitable<void>;
  /** Removes all but the newest `keep` cursors' events, and remembers up to which one. Costs next to nothing when there are no more. */
  trimEvents(keep: number): Awaitable<void>;
  /** Returns ids of a run's rollouts that are not final, at most `limit`. */
  readUnfinished(runId: string, limit: number): Awaitable<readonly string[]>;
  /** Removes a run's rollouts with their attempts, spans and events; returns how many rollouts there were. */
  deleteRun(runId: string): Awaitable<number>;
  /** Removes rollouts that ended at or before `endedMs`, the earliest end first, at most `limit`, with their attempts and spans; returns how many there were. Their events go when they are trimmed. */
  deleteEnded(endedMs: number, limit: number): Awaitable<number>;
  /** Returns true when `holder` has the watchdog until `untilMs`: it had it already, or nobody has it at `nowMs`. */
  takeWatchdog(holder: string, nowMs: number, untilMs: number): Awaitable<boolean>;
}

/** Keeps records: all that a store of your own has to supply. The rules, the checks and the waiting come with `RecordStore`. */
export interface RecordDatabase {
  /** Runs `work` on a consistent view of what is committed. */
  read<Reply>(work: (records: RecordReader) => Awaitable<Reply>): Promise<Reply>;
  /** Runs `work` in one atomic, isolated write; resolves when it is durable, and leaves no trace when it rejects. */
  write<Reply>(work: (records: RecordWriter) => Awaitable<Reply>): Promise<Reply>;
  /** Calls `listener` after other processes may have committed; returns how to stop. Absent when there are no others. */
  watch?(listener: () => void): () => void;
  /** Reads all that is stored and returns what is wrong with it; nothing for sound data. Absent when nothing can damage it. */
  checkIntegrity?(): Promise<readonly string[]>;
  close(): Promise<void>;
}
