import { setTimeout as delay } from 'node:timers/promises';
import { LightningError, StoreError } from '@agent-lightning/core';
import type { Awaitable, NewStoreEvent, RecordWriter } from '@agent-lightning/store';
import { sendEvents, sendWorkers } from './changes.ts';
import { retryDelayMs, type Connections } from './connections.ts';
import { HeldElsewhere, HeldRollouts, type Holder } from './held-rollouts.ts';
import { isConflict, isLost, toStoreError } from './postgres-errors.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { selectServerMs } from './server-clock.ts';
import type { Transaction } from './transaction.ts';

interface Job {
  readonly askedMs: number;
  readonly work: (records: RecordWriter) => Awaitable<unknown>;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteBatchesOptions {
  /** The most writes that share a transaction. */
  readonly maxJobs: number;
  /** The most transactions that run at once. */
  readonly maxTransactions: number;
  /** The channel on which events are announced; `sender` names this process on it. */
  readonly channel: string;
  readonly sender: string;
}

/** Holds what the writes of one transaction leave to be done at its end. */
interface Batch {
  readonly events: readonly NewStoreEvent[];
  readonly workers: ReadonlyMap<string, number>;
  readonly settle: () => void;
}

/** A commit was asked for and the connection broke before the answer. */
class OutcomeUnknown {
  readonly transactionId: string;
  readonly cause: unknown;
  readonly settle: () => void;

  constructor(transactionId: string, cause: unknown, settle: () => void) {
    this.transactionId = transactionId;
    this.cause = cause;
    this.settle = settle;
  }
}

const maxConflicts = 20;

/**
 * Writes that are asked for while another transaction runs share the next one, and so one commit. Each gathers its changes before it
 * sends any, so that one that rejects does not disturb the others. A write resolves only after the commit; when the connection breaks
 * during the commit, the server is asked afterwards what became of it.
 */
export class WriteBatches {
  readonly #connections: Connections;
  readonly #options: WriteBatchesOptions;
  readonly #held: HeldRollouts = new HeldRollouts();
  readonly #running: Set<Promise<void>> = new Set();
  #queue: Job[] = [];

  constructor(connections: Connections, options: WriteBatchesOptions) {
    this.#connections = connections;
    this.#options = options;
  }

  write<Reply>(work: (records: RecordWriter) => Awaitable<Reply>): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.#queue.push({ askedMs: performance.now(), work, resolve: resolve as Job['resolve'], reject });
      this.#drain();
    });
  }

  /** Resolves when every write that was asked for has its answer. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #drain(): void {
    if (this.#running.size >= this.#options.maxTransactions) return;
    const running: Promise<void> = this.#performAll().finally(() => {
      this.#running.delete(running);
      if (this.#queue.length > 0) this.#drain();
    });
    this.#running.add(running);
  }

  async #performAll(): Promise<void> {
    while (this.#queue.length > 0) {
      // Whatever else this turn of the event loop asks for joins the transaction.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#perform(this.#queue.splice(0, this.#options.maxJobs));
    }
  }

  #putBack(jobs: readonly Job[]): void {
    this.#queue.unshift(...jobs);
    if (jobs.length > 0) this.#drain();
  }

  /** Runs the jobs until each has its answer: again after a lost connection, each alone after an error of one of them. */
  async #perform(given: readonly Job[]): Promise<void> {
    let jobs = given;
    for (let failures = 1; jobs.length > 0; failures++) {
      try {
        return await this.#runOnce(jobs);
      } catch (error) {
        if (error instanceof OutcomeUnknown) {
          if (await this.#settleUnknown(error, jobs)) return;
        } else if (isLost(error)) {
          jobs = this.#rejectExpired(jobs, error);
          await delay(retryDelayMs(failures));
        } else if (jobs.length > 1) {
          for (const job of jobs) await this.#perform([job]);
          return;
        } else {
          if (!isConflict(error) || failures > maxConflicts)
            return rejectAll(jobs, toStoreError(error, this.#connections.place));
          await delay(Math.random() * 10 * failures);
        }
      }
    }
  }

  /** Rejects the jobs that have waited long enough for the server, and returns the others. */
  #rejectExpired(jobs: readonly Job[], error: unknown): readonly Job[] {
    const oldestMs = performance.now() - this.#connections.reconnectMs;
    rejectAll(
      jobs.filter((job) => job.askedMs <= oldestMs),
      toStoreError(error, this.#connections.place),
    );
    return jobs.filter((job) => job.askedMs > oldestMs);
  }

  /** Finds out what became of a commit. Returns false when it did not happen, and the jobs have to run again. */
  async #settleUnknown(unknown: OutcomeUnknown, jobs: readonly Job[]): Promise<boolean> {
    const outcome = await this.#connections.findOutcome(unknown.transactionId);
    if (outcome === 'aborted') return false;
    if (outcome === 'committed') unknown.settle();
    else {
      const { place } = this.#connections;
      const message = `the connection to the store ${place} broke during a commit, and the server cannot be asked whether it happened; repeat the call: a write that was kept is not made twice`;
      rejectAll(jobs, new StoreError(message, { code: 'store-unavailable', retryable: true, cause: unknown.cause }));
    }
    return true;
  }

  async #runOnce(jobs: readonly Job[]): Promise<void> {
    let settle: (() => void) | undefined;
    let transactionId = '';
    const holder = this.#held.begin();
    try {
      await this.#connections.use(async (transaction) => {
        const started = this.#begin(transaction);
        started.catch(() => undefined);
        const batch = await this.#runJobs(transaction, jobs, holder);
        transactionId = await started;
        if (batch.workers.size > 0) sendWorkers(transaction, batch.workers);
        if (batch.events.length > 0) sendEvents(transaction, batch.events, this.#options.channel, this.#options.sender);
        // What was sent so far may still fail; only a commit that was sent may have happened.
        settle = batch.settle;
        transaction.send('COMMIT');
        await transaction.settle();
      });
    } catch (error) {
      if (settle !== undefined && isLost(error)) throw new OutcomeUnknown(transactionId, error, settle);
      throw error;
    } finally {
      this.#held.end(holder);
    }
    settle?.();
  }

  /** Sends BEGIN; resolves with the transaction's id, by which its outcome can be asked for later. */
  async #begin(transaction: Transaction): Promise<string> {
    const { clock } = this.#connections;
    const askedMs = clock.mark();
    transaction.send('BEGIN');
    const answer = transaction.query(`SELECT pg_current_xact_id()::text AS id, ${selectServerMs}`);
    const [row] = await answer;
    clock.set(row?.['server_ms'] as number, askedMs);
    return row?.['id'] as string;
  }

  async #runJobs(transaction: Transaction, jobs: readonly Job[], holder: Holder): Promise<Batch> {
    const answers: (() => void)[] = [];
    const events: NewStoreEvent[] = [];
    const workers = new Map<string, number>();
    for (const [index, job] of jobs.entries()) {
      const records = new PostgresWriter(transaction, (rolloutIds) => this.#held.hold(rolloutIds, holder));
      try {
        const reply = await job.work(records);
        records.send();
        for (const event of records.events) events.push(event);
        for (const [workerId, nowMs] of records.workers) workers.set(workerId, nowMs);
        answers.push(() => job.resolve(reply));
      } catch (error) {
        if (error instanceof HeldElsewhere && !records.hasSent) answers.push(() => this.#park(job, error.holder));
        // The rules refused, not the database: the others go on, unless this write has left something behind.
        else if (LightningError.isInstance(error) && !records.hasSent) answers.push(() => job.reject(error));
        else throw await rootCause(transaction, error);
      }
      if (records.holdsPositions) {
        answers.push(() => this.#putBack(jobs.slice(index + 1)));
        break;
      }
    }
    return { events, workers, settle: () => answers.forEach((answer) => answer()) };
  }

  #park(job: Job, holder: Holder): void {
    if (holder.isOver) this.#putBack([job]);
    else holder.waiting.push(() => this.#putBack([job]));
  }
}

/** Finds the error that made a transaction fail: every later statement fails too, and only the first one tells why. */
async function rootCause(transaction: Transaction, error: unknown): Promise<unknown> {
  try {
    await transaction.settle();
  } catch (cause) {
    return cause;
  }
  return error;
}

function rejectAll(jobs: readonly Job[], error: unknown): void {
  for (const job of jobs) job.reject(error);
}
