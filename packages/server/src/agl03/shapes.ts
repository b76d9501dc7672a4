import type { JsonValue } from '@agent-lightning/core';

/** The statuses of a rollout, in the order in which Agent Lightning 0.3 lists them. */
export const rolloutStatuses = [
  'queuing',
  'preparing',
  'running',
  'failed',
  'succeeded',
  'cancelled',
  'requeuing',
] as const;
export const attemptStatuses = ['preparing', 'running', 'failed', 'succeeded', 'unresponsive', 'timeout'] as const;
export const workerStatuses = ['idle', 'busy', 'unknown'] as const;
export const modes = ['train', 'val', 'test'] as const;

export type RolloutStatus = (typeof rolloutStatuses)[number];
export type AttemptStatus = (typeof attemptStatuses)[number];
export type WorkerStatus = (typeof workerStatuses)[number];
export type Mode = (typeof modes)[number];
export type JsonObject = { readonly [key: string]: JsonValue };

/** Says how a rollout is run, in seconds. */
export interface AglConfig {
  readonly timeout_seconds: number | null;
  readonly unresponsive_seconds: number | null;
  readonly max_attempts: number;
  readonly retry_condition: readonly AttemptStatus[];
}

export interface AglRollout {
  readonly rollout_id: string;
  readonly input: JsonValue;
  /** Seconds since the epoch, as every time here. */
  readonly start_time: number;
  readonly end_time: number | null;
  readonly mode: Mode | null;
  readonly resources_id: string | null;
  readonly status: RolloutStatus;
  readonly config: AglConfig;
  readonly metadata: JsonObject | null;
}

export interface AglAttempt {
  readonly rollout_id: string;
  readonly attempt_id: string;
  readonly sequence_id: number;
  readonly start_time: number;
  readonly end_time: number | null;
  readonly status: AttemptStatus;
  readonly worker_id: string | null;
  readonly last_heartbeat_time: number | null;
  readonly metadata: JsonObject | null;
}

export interface AglWorker {
  readonly worker_id: string;
  readonly status: WorkerStatus;
  readonly heartbeat_stats: JsonObject | null;
  readonly last_heartbeat_time: number | null;
  readonly last_dequeue_time: number | null;
  readonly last_busy_time: number | null;
  readonly last_idle_time: number | null;
  readonly current_rollout_id: string | null;
  readonly current_attempt_id: string | null;
}

export interface AglResources {
  readonly resources_id: string;
  readonly create_time: number;
  readonly update_time: number;
  readonly version: number;
  readonly resources: JsonObject;
}

export interface AglSpan {
  readonly rollout_id: string;
  readonly attempt_id: string;
  readonly sequence_id: number;
  readonly trace_id: string;
  readonly span_id: string;
  readonly parent_id: string | null;
  readonly name: string;
  readonly status: { readonly status_code: 'UNSET' | 'OK' | 'ERROR'; readonly description: string | null };
  readonly attributes: JsonObject;
  readonly events: readonly JsonValue[];
  readonly links: readonly JsonValue[];
  readonly start_time: number | null;
  readonly end_time: number | null;
  readonly context: JsonValue;
  readonly parent: JsonValue;
  readonly resource: JsonValue;
}

/** Holds what a client asks to enqueue; null where it says nothing. */
export interface AglTask {
  readonly input: JsonValue;
  readonly mode: Mode | null;
  readonly resources_id: string | null;
  readonly config: AglConfig | null;
  readonly metadata: JsonObject | null;
}

export interface AglPage<Item> {
  readonly items: readonly Item[];
  readonly limit: number;
  readonly offset: number;
  readonly total: number;
}
