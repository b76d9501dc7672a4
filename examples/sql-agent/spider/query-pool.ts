/** Runs queries that a model wrote, a few at once, in processes of their own. */
import { availableParallelism } from 'node:os';

import { ConfigurationError } from '@agent-lightning/core';

import type { QueryResult } from '../query.ts';
import type { MatchRequest, QueryRequest, RunRequest } from './query-messages.ts';
import { startQueryProcess, type Ended, type QueryProcess } from './start-query-process.ts';

export interface QueryPoolOptions {
  /** Queries that run at once. @default the number of processors */
  readonly processes?: number;
  /** The longest that one statement may run. @default 30_000 */
  readonly timeLimitMs?: number;
}

interface Job {
  readonly request: QueryRequest;
  readonly end: (ended: Ended) => void;
}

/** Holds its processes until it is disposed of. */
export class QueryPool implements Disposable {
  readonly #timeLimitMs: number;
  readonly #limit: number;
  readonly #waiting: Job[] = [];
  readonly #idle: QueryProcess[] = [];
  readonly #all = new Set<QueryProcess>();

  constructor({ processes = availableParallelism(), timeLimitMs = 30_000 }: QueryPoolOptions = {}) {
    this.#limit = processes;
    this.#timeLimitMs = timeLimitMs;
  }

  /** Runs a query, read only. Whatever its text, it answers. */
  async run(request: Omit<RunRequest, 'kind'>): Promise<QueryResult> {
    const ended = await this.#do({ kind: 'run', ...request });
    if ('failure' in ended) return { error: ended.failure };
    return 'ran' in ended.reply ? ended.reply.ran : { error: 'no rows came back' };
  }

  /**
   * Tells whether both queries have the same result on each of the databases; a query that fails has none.
   * @throws {ConfigurationError} `tasks-invalid` when the gold query itself fails
   */
  async matches(request: Omit<MatchRequest, 'kind'>): Promise<boolean> {
    const ended = await this.#do({ kind: 'match', ...request });
    const compared = 'reply' in ended && 'compared' in ended.reply ? ended.reply.compared : undefined;
    const goldError = 'failure' in ended && ended.during === 'gold' ? ended.failure : compared?.goldError;
    if (goldError === undefined) return compared?.matches ?? false;
    throw new ConfigurationError(`the gold query "${request.gold}" fails: ${goldError}`, { code: 'tasks-invalid' });
  }

  [Symbol.dispose](): void {
    for (const process of this.#all) process.end();
  }

  #do(request: QueryRequest): Promise<Ended> {
    return new Promise((end) => {
      this.#waiting.push({ request, end });
      void this.#workOn();
    });
  }

  /** Does waiting jobs in a process that is free, until there are none. */
  async #workOn(): Promise<void> {
    const process = this.#idle.pop() ?? (this.#all.size < this.#limit ? this.#start() : undefined);
    if (process === undefined) return;
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      job.end(await process.do(job.request));
      if (process.hasEnded()) return this.#replace(process);
    }
    this.#idle.push(process);
  }

  #start(): QueryProcess {
    const process = startQueryProcess(this.#timeLimitMs);
    this.#all.add(process);
    return process;
  }

  async #replace(process: QueryProcess): Promise<void> {
    this.#all.delete(process);
    if (this.#waiting.length > 0) await this.#workOn();
  }
}
