import type { AglWorker, JsonObject, WorkerStatus } from './shapes.ts';

const mostWorkers = 10_000;

/**
 * Knows the workers of Agent Lightning 0.3 as they were last heard of. It is a picture of the moment, kept in memory: their names are not
 * unique (every machine has a `Worker-0`), so nothing is decided by it.
 */
export class KnownWorkers {
  readonly #workers: Map<string, AglWorker> = new Map();
  readonly #now: () => number;

  /** @param now the time in seconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  list(): readonly AglWorker[] {
    return [...this.#workers.values()];
  }

  get(workerId: string): AglWorker | undefined {
    return this.#workers.get(workerId);
  }

  /** Notes a heartbeat; its numbers replace those before, when there are any. */
  noteHeartbeat(workerId: string, stats: JsonObject | null): AglWorker {
    return this.#change(workerId, {
      last_heartbeat_time: this.#now(),
      ...(stats === null ? {} : { heartbeat_stats: stats }),
    });
  }

  /** Notes that a worker asked for work and got none. */
  noteIdle(workerId: string): void {
    const isIdle = this.#workers.get(workerId)?.status === 'idle';
    this.#change(workerId, {
      last_dequeue_time: this.#now(),
      ...(isIdle ? {} : { status: 'idle', last_idle_time: this.#now() }),
    });
  }

  /** Notes that a worker has an attempt. */
  noteBusy(workerId: string, rolloutId: string, attemptId: string, fromQueue: boolean): void {
    const nowSeconds = this.#now();
    this.#change(workerId, {
      status: 'busy',
      last_busy_time: nowSeconds,
      current_rollout_id: rolloutId,
      current_attempt_id: attemptId,
      ...(fromQueue ? { last_dequeue_time: nowSeconds } : {}),
    });
  }

  /** Notes that a worker's attempt ended: `unknown` when it stopped answering. */
  noteEnd(workerId: string, status: Extract<WorkerStatus, 'idle' | 'unknown'>): void {
    this.#change(workerId, {
      status,
      last_idle_time: this.#now(),
      current_rollout_id: null,
      current_attempt_id: null,
    });
  }

  #change(workerId: string, change: Partial<AglWorker>): AglWorker {
    const before: AglWorker = this.#workers.get(workerId) ?? {
      worker_id: workerId,
      status: 'unknown',
      heartbeat_stats: null,
      last_heartbeat_time: null,
      last_dequeue_time: null,
      last_busy_time: null,
      last_idle_time: null,
      current_rollout_id: null,
      current_attempt_id: null,
    };
    const after = { ...before, ...change };
    this.#workers.set(workerId, after);
    const oldest = this.#workers.keys().next().value;
    if (this.#workers.size > mostWorkers && oldest !== undefined) this.#workers.delete(oldest);
    return after;
  }
}
