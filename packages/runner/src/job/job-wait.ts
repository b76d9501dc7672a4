import { ConfigurationError, LightningError, TimeoutError } from '@agent-lightning/core';
import type { JobProgress } from './job-progress.ts';

export interface JobWaitOptions {
  /** Names the Job and its image, for errors. */
  readonly subject: string;
  readonly startTimeoutMs: number;
  readonly timeoutMs: number | undefined;
  /** Returns what the cluster says of a Job that has no pod yet. */
  readonly readEvents: () => Promise<string | undefined>;
}

type Ended = Extract<JobProgress, { readonly kind: 'ended' }>;
type Waiting = Extract<JobProgress, { readonly kind: 'waiting' }>;

/** The time for which an image that cannot be pulled is waited for, in which the node tries about three times. */
const imagePatienceMs = 60_000;

/** Waits for the end of one Job's container, within the times that its start and its run may take. */
export class JobWait {
  readonly #options: JobWaitOptions;
  readonly #end = Promise.withResolvers<Ended>();
  /** Ends the time of the start, then that of the run. */
  #limit: NodeJS.Timeout | undefined;
  #imageLimit: NodeJS.Timeout | undefined;
  #newest: JobProgress = { kind: 'waiting', reason: undefined, hindrance: 'passing' };
  /** The pod whose container runs, or ran. */
  #pod: string | undefined;

  constructor(options: JobWaitOptions) {
    this.#options = options;
    this.#limit = setTimeout(() => void this.#startTooLong(), options.startTimeoutMs);
  }

  /** The pod whose container ran when the time was over. */
  get pod(): string | undefined {
    return this.#pod;
  }

  /** Resolves with the end of the container. @throws {ConfigurationError} `command-unavailable` · {TimeoutError} `timed-out` · what `fail` was given */
  async ended(): Promise<Ended> {
    try {
      return await this.#end.promise;
    } finally {
      clearTimeout(this.#limit);
      clearTimeout(this.#imageLimit);
    }
  }

  fail(error: unknown): void {
    this.#end.reject(error);
  }

  /** Takes in how far the Job is. */
  see(progress: JobProgress): void {
    const wasRunning = this.#pod !== undefined;
    this.#newest = progress;
    if (progress.kind !== 'waiting' || progress.hindrance !== 'image')
      this.#imageLimit = void clearTimeout(this.#imageLimit);
    if (progress.kind === 'ended') return this.#end.resolve(progress);
    if (progress.kind === 'failed') return this.fail(this.#unavailable(progress.why));
    if (progress.kind === 'overdue') return this.fail(this.#timedOut('its activeDeadlineSeconds', 'by the cluster'));
    if (progress.kind === 'waiting') return this.#seeWaiting(progress);
    this.#pod = progress.pod;
    if (!wasRunning) this.#begin();
  }

  #seeWaiting({ hindrance, reason }: Waiting): void {
    const fail = (): void => this.fail(this.#neverRan(reason));
    if (hindrance === 'final') fail();
    if (hindrance === 'image') this.#imageLimit ??= setTimeout(fail, imagePatienceMs);
  }

  /** Begins the time of the run. */
  #begin(): void {
    const { timeoutMs } = this.#options;
    clearTimeout(this.#limit);
    if (timeoutMs === undefined) return;
    this.#limit = setTimeout(() => this.fail(this.#timedOut(`${timeoutMs} ms`)), timeoutMs);
  }

  async #startTooLong(): Promise<void> {
    const seen = this.#newest.kind === 'waiting' ? this.#newest.reason : undefined;
    const reason = seen ?? (await this.#options.readEvents().catch((error: unknown) => this.#unread(error)));
    this.fail(this.#neverRan(reason));
  }

  #unread(error: unknown): string | undefined {
    return LightningError.isInstance(error)
      ? `the events that may say why cannot be read: ${error.message}`
      : undefined;
  }

  #neverRan(reason: string | undefined): ConfigurationError {
    const { startTimeoutMs } = this.#options;
    const why = reason ?? `the cluster has not said why within ${startTimeoutMs} ms`;
    return this.#unavailable(`its container did not start: ${why}`);
  }

  #unavailable(why: string): ConfigurationError {
    return new ConfigurationError(`runJob: ${this.#options.subject}: ${why}`, { code: 'command-unavailable' });
  }

  #timedOut(limit: string, by = ''): TimeoutError {
    return new TimeoutError(
      `runJob: ${this.#options.subject} took longer than ${limit}, and was ended${by && ` ${by}`}`,
      {
        code: 'timed-out',
      },
    );
  }
}
