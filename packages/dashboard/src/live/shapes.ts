/** The reply of `/api/runs/:run/live`: what works on a run at this moment. Ages are in milliseconds. */
export interface LiveState {
  readonly at: string;
  readonly queue: LiveQueue;
  /** The processes that claim rollouts of the store, which may be those of other runs. */
  readonly workers: readonly LiveWorker[];
  /** The attempts that run, the oldest first; at most 100 of them. */
  readonly leases: readonly LiveLease[];
  /** The rollouts that run; of one run, 1,000 of them where there are more. */
  readonly running: number;
  readonly hasMoreRunning?: true;
  readonly gateway: LiveGateway;
}

export interface LiveQueue {
  /** All rollouts of the store by status, also those of other runs. */
  readonly storeStatuses: Readonly<Record<string, number>>;
  /** The rollouts that wait; of one run, 1,000 of them where there are more. */
  readonly waiting: number;
  readonly hasMoreWaiting?: true;
  /** Those that wait for a moment to be tried again; as `oldestMs` and `kinds`, of the 1,000 of a run that are next, or the 100 of a store. */
  readonly delayed: number;
  /** The time that the one waiting longest has waited. */
  readonly oldestMs?: number;
  /** Waiting rollouts by queue, run and the tags that their worker must have. */
  readonly kinds: readonly { readonly name: string; readonly count: number }[];
}

/** A process that claims rollouts. */
export interface LiveWorker {
  readonly id: string;
  readonly seenMs: number;
  readonly active: number;
}

/** A rollout that a worker runs. */
export interface LiveLease {
  readonly rolloutId: string;
  readonly task: string;
  readonly attempt: number;
  readonly worker: string;
  readonly runningMs: number;
  /** The time since its last span or heartbeat. */
  readonly silentMs: number;
  /** The time until the lease runs out; below 0 where it has. */
  readonly leaseMs: number;
}

/** A gateway: what it counted since it started, or why that is not known. */
export type LiveGateway =
  | { readonly isReached: false; readonly reason: string }
  | {
      readonly isReached: true;
      readonly url: string;
      readonly isPaused: boolean;
      readonly inFlight: number;
      readonly openAttempts: number;
      readonly waitingRequests: number;
      readonly heldBytes: number;
      /** Upstream servers that fail and are out of the pool. */
      readonly absentServers: number;
      readonly retries: number;
      readonly tokens: Readonly<Record<string, number>>;
      readonly calls: Readonly<Record<string, number>>;
      readonly errors: Readonly<Record<string, number>>;
      readonly rejected: Readonly<Record<string, number>>;
      readonly untrainable: Readonly<Record<string, number>>;
    };
