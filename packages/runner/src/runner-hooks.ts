import type { Attempt, Failure, Rollout, Span } from '@agent-lightning/core';

/** Tells a hook about the rollout that begins. */
export interface RolloutStart {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
  readonly signal: AbortSignal;
}

/** Tells a hook about the rollout that ends. */
export interface RolloutEnd extends RolloutStart {
  /** The outcome that is about to be stored for the attempt. */
  readonly outcome: AttemptOutcome;
  /** Returns every span of the attempt, the reward included; read from the store on each call. */
  spans(): Promise<readonly Span[]>;
}

/** The outcome of an attempt. `lost`: its lease was over, so what the store says counts. */
export type AttemptOutcome =
  | { readonly status: 'succeeded' }
  | { readonly status: 'failed' | 'timeout' | 'cancelled' | 'lost'; readonly failure: Failure };

/** Holds code of the user that runs around each attempt. What a hook throws is reported to `onError` and changes nothing. */
export interface RunnerHooks {
  /** Called before the rollout function, which waits for it. */
  readonly onRolloutStart?: (start: RolloutStart) => Promise<void> | void;
  /** Called after the agent's spans are stored and before the attempt is final, inside the rollout: `emitReward` works here. */
  readonly onRolloutEnd?: (end: RolloutEnd) => Promise<void> | void;
}
