import { setTimeout as delay } from 'node:timers/promises';
import { LightningError, StoreError, type Awaitable, type NewStoreEvent, type RowWriter } from '@agent-lightning/core';
import { sendEvents } from './changes.ts';
import { retryDelayMs, type Connections } from './connections.ts';
import { isConflict, isLost, toStoreError } from './postgres-errors.ts';
import { PostgresWriter } from './postgres-writer.ts';
import { selectServerMs } from './server-clock.ts';
import type { Transaction } from './transaction.ts';

interface Job {
  readonly askedMs: number;
  readonly work: (rows: RowWriter) => Awaitable<unknown>;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface WriteBatchesOptions {
  /** At most this many writes share a transaction. */
  readonly maxJobs: number;
  /** Where events are announced, and who announces. */
  readonly channel: string;
  readonly sender: string;
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
  #queue: Job[] = [];
  #running: Promise<void> | undefined;

  constructor(connections: Connections, options: WriteBatchesOptions) {
    this.#connections = connections;
    this.#options = options;
  }

  write<Reply>(work: (rows: RowWriter) => Awaitable<Reply>): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.#queue.push({ askedMs: performance.now(), work, resolve: resolve as Job['resolve'], reject });
      this.#running ??= this.#drain();
    });
  }

  /** Resolves when every write that was asked for has its answer. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Whatever else this turn of the event loop asks for joins the transaction.
      await new Promise((resolve) => setImmediate(resolve));
      await this.#perform(this.#queue.splice(0, this.#options.maxJobs));
    }
    this.#running = undefined;
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
    try {
      await this.#connections.use(async (transaction) => {
        const started = this.#begin(transaction);
        started.catch(() => undefined);
        const batch = await this.#runJobs(transaction, jobs);
        transactionId = await started;
        if (batch.events.length > 0) sendEvents(transaction, batch.events, this.#options.channel, this.#options.sender);
        // What was sent so far may still fail; only a commit that was sent may have happened.
        settle = batch.settle;
        transaction.send('COMMIT');
        await transaction.settle();
      });
    } catch (error) {
      if (settle !== undefined && isLost(error)) throw new OutcomeUnknown(transactionId, error, settle);
      throw error;
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

  async #runJobs(
    transaction: Transaction,
    jobs: readonly Job[],
  ): Promise<{ readonly events: readonly NewStoreEvent[]; readonly settle: () => void }> {
    const answers: (() => void)[] = [];
    const events: NewStoreEvent[] = [];
    for (const [index, job] of jobs.entries()) {
      const rows = new PostgresWriter(transaction);
      try {
        const reply = await job.work(rows);
        rows.send();
        events.push(...rows.events);
        answers.push(() => job.resolve(reply));
      } catch (error) {
        // The rules refused, not the database: the others go on, unless this write has left something behind.
        if (!LightningError.isInstance(error) || rows.hasSent) throw await rootCause(transaction, error);
        answers.push(() => job.reject(error));
      }
      if (rows.holdsPositions) {
        answers.push(() => this.#queue.unshift(...jobs.slice(index + 1)));
        break;
      }
    }
    return { events, settle: () => answers.forEach((answer) => answer()) };
  }
}

/** In a failed transaction every statement fails; the first one tells why. */
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
