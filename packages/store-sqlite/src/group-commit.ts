import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseSync } from 'node:sqlite';
import type { Awaitable, RecordWriter } from '@agent-lightning/store';
import { isBusy } from './sqlite-errors.ts';
import type { Statements } from './statements.ts';
import { isInTransaction } from './is-in-transaction.ts';

interface Job {
  readonly work: (records: RecordWriter) => Awaitable<unknown>;
  readonly resolve: (reply: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export interface GroupCommitOptions {
  /** The most writes that share a transaction, so that one commit does not hold the event loop for long. */
  readonly maxJobs: number;
  readonly busyTimeoutMs: number;
  /** Called once the write lock is held. */
  readonly onBegin: () => void;
}

/**
 * Writes that are asked for at the same time share one transaction, and so one wait for the disk. Each has a savepoint:
 * one that rejects leaves no trace and does not disturb the others. A write resolves only after the commit.
 */
export class GroupCommit {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #records: RecordWriter;
  readonly #options: GroupCommitOptions;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;

  constructor(database: DatabaseSync, statements: Statements, records: RecordWriter, options: GroupCommitOptions) {
    this.#database = database;
    this.#statements = statements;
    this.#records = records;
    this.#options = options;
  }

  write<Reply>(work: (records: RecordWriter) => Awaitable<Reply>): Promise<Reply> {
    return new Promise<Reply>((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as Job['resolve'], reject });
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
      const jobs = this.#queue.splice(0, this.#options.maxJobs);
      try {
        await this.#begin();
        this.#options.onBegin();
        await this.#commit(jobs);
      } catch (error) {
        if (isInTransaction(this.#database)) this.#statements.run('ROLLBACK');
        for (const job of jobs) job.reject(error);
      }
    }
    this.#running = undefined;
  }

  /** Takes SQLite's write lock. Waits in short blocking steps, so that the event loop lives while another process writes. */
  async #begin(): Promise<void> {
    const endMs = performance.now() + this.#options.busyTimeoutMs;
    for (;;) {
      try {
        this.#statements.run('BEGIN IMMEDIATE');
        return;
      } catch (error) {
        if (!isBusy(error) || performance.now() >= endMs) throw error;
      }
      await delay(1 + Math.random() * 10);
    }
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    const settle: (() => void)[] = [];
    for (const [index, job] of jobs.entries()) {
      this.#statements.run('SAVEPOINT job');
      try {
        const reply = await job.work(this.#records);
        settle.push(() => job.resolve(reply));
      } catch (error) {
        job.reject(error);
        if (!isInTransaction(this.#database)) return this.#again([...jobs.slice(0, index), ...jobs.slice(index + 1)]);
        this.#statements.run('ROLLBACK TO job');
      }
      this.#statements.run('RELEASE job');
    }
    this.#statements.run('COMMIT');
    for (const answer of settle) answer();
  }

  /** Starts the given writes over: a full disk can undo the whole transaction, also those writes that did not cause it. */
  #again(jobs: readonly Job[]): void {
    this.#queue.unshift(...jobs);
  }
}
