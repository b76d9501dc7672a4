import type { JsonValue } from '@agent-lightning/core';

export type JsonObject = { readonly [name: string]: JsonValue };

export const states = ['queuing', 'running', 'succeeded', 'failed'] as const;

/** The states of a rollout of Agent Lightning 1.0; the last two are final. */
export type State = (typeof states)[number];

/** Names the one attempt that everything of Agent Lightning 1.0 uses. */
export const firstAttempt = '0';

/** A rollout to be, as a trainer of Agent Lightning 1.0 sends it. */
export interface RolloutCreate {
  readonly rolloutId: string | null;
  readonly input: JsonValue;
  readonly isTrain: boolean;
  readonly config: JsonObject;
  readonly metadata: JsonObject;
}

/** Holds what a controller changes of a rollout. */
export interface StatusPatch {
  readonly state?: State;
  readonly k8s_job_name?: string | null;
  readonly last_attempt_id?: string | null;
  readonly error_message?: string | null;
}

/** A rollout's status; the times are in seconds since the epoch. */
export interface RolloutStatusView {
  readonly state: State;
  readonly k8s_job_name: string | null;
  readonly last_attempt_id: string | null;
  readonly error_message: string | null;
  readonly version: number;
  readonly created_at: number;
  readonly updated_at: number;
}

export interface Agl10Rollout {
  readonly rollout_id: string;
  readonly input: JsonValue;
  readonly is_train: boolean;
  readonly config: JsonObject;
  readonly metadata: JsonObject;
  readonly status: RolloutStatusView;
}

/** Something that happened in a rollout: a model call, a reward, or what a user calls by a name of their own. */
export interface Agl10Event {
  readonly event_type: string;
  readonly rollout_id: string;
  readonly attempt_id: string;
  /** In seconds since the epoch. */
  readonly timestamp: number;
  readonly data: JsonObject;
}
