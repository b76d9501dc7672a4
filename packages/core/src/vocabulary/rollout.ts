import type { JsonValue } from './json.ts';

/** The purpose of a rollout; only `train` rollouts become gradients. */
export type RolloutMode = 'train' | 'val' | 'test';

export type RolloutStatus = 'queuing' | 'preparing' | 'running' | 'requeuing' | 'succeeded' | 'failed' | 'cancelled';
export type AttemptStatus = 'preparing' | 'running' | 'succeeded' | 'failed' | 'timeout' | 'unresponsive' | 'cancelled';

/** Says which ends of an attempt are tried again, how often, and after how long. */
export interface RetryPolicy {
  /** Attempts in all, the first included; 1 to 100. @default 1 */
  readonly maxAttempts: number;
  /** The attempt statuses that are retried. @default ['failed', 'timeout', 'unresponsive'] */
  readonly retryOn: readonly AttemptStatus[];
  /** The failure codes that are retried, of those ends. @default every code */
  readonly retryCodes?: readonly string[];
  /** Wait before the second attempt; doubles for each further one. @default 0 */
  readonly backoffMs: number;
  /** The longest wait between two attempts. @default 60_000 */
  readonly maxBackoffMs: number;
}

/** The four clocks of a rollout, in milliseconds; an absent one never fires. Read on the store's clock. */
export interface RolloutTimeouts {
  /** Limits the time from enqueueing to the first claim. */
  readonly queueMs?: number;
  /** Limits the time from an attempt's claim to its end. */
  readonly startToFinishMs?: number;
  /** Limits the time in which the attempt sends neither a span nor a heartbeat. */
  readonly noProgressMs?: number;
  /** Limits the time from enqueueing to the rollout's final status, retries included. */
  readonly totalMs?: number;
}

/** The reason why an attempt or a rollout ended without success. */
export interface Failure {
  /** A `LightningErrorCode`, or a name of the user's own. */
  readonly code: string;
  readonly message: string;
}

/** One run of the agent on one task. */
export interface Rollout {
  /** The id, given by the client or made by the store; 1 to 200 characters of `[A-Za-z0-9._:-]`. */
  readonly rolloutId: string;
  /** The task: what the agent is asked to do. */
  readonly input: JsonValue;
  readonly mode: RolloutMode;
  readonly status: RolloutStatus;
  /** Rollouts of one task that are compared with each other share a group. */
  readonly groupId?: string;
  /** The training run that this rollout belongs to. */
  readonly runId?: string;
  /** The queue that runners claim from. @default 'default' */
  readonly queue: string;
  /** Higher is claimed first; within one priority, first in is first out. @default 0 */
  readonly priority: number;
  /** Only a worker that has all of these tags may claim it; absent when any may. */
  readonly workerTags?: readonly string[];
  readonly resourcesId?: string;
  readonly retry: RetryPolicy;
  readonly timeouts: RolloutTimeouts;
  /** Holds what its sender says of it. `replaces` names the rollout of a stopped run that this one repeats: a gateway draws the same seeds for both. */
  readonly metadata: { readonly [key: string]: JsonValue };
  /** The number of attempts that were started. */
  readonly attemptCount: number;
  readonly failure?: Failure;
  /** Milliseconds since the epoch, on the store's clock; likewise below. */
  readonly createdAtMs: number;
  /** The rollout cannot be claimed before this moment: a retry waits for its back-off. */
  readonly availableAtMs: number;
  readonly endedAtMs?: number;
}

/** One try at a rollout. */
export interface Attempt {
  readonly attemptId: string;
  readonly rolloutId: string;
  /** 1 for the first attempt of its rollout. */
  readonly attemptNumber: number;
  readonly status: AttemptStatus;
  readonly workerId: string;
  readonly startedAtMs: number;
  readonly lastProgressAtMs: number;
  readonly leaseExpiresAtMs: number;
  readonly failure?: Failure;
  readonly endedAtMs?: number;
}

/** The right to write to one attempt. A writer whose token is no longer the attempt's is refused. */
export interface Lease {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** Grows with every claim of the store; compared for equality only. */
  readonly fencingToken: number;
}
