import type { Attempt, Failure, Rollout, Span } from '@agent-lightning/core';

/** What a hook is told of the rollout that begins. */
export interface RolloutStart {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
  readonly signal: AbortSignal;
}

/** What a hook is told of the rollout that ends. */
export interface RolloutEnd extends RolloutStart {
  /** What the attempt is about to be reported as. */
  readonly outcome: AttemptOutcome;
  /** Every span of the attempt, the reward included; read from the store on each call. */
  spans(): Promise<readonly Span[]>;
}

/** How an attempt ended. `lost`: its lease was over, so what the store says counts. */
export type AttemptOutcome =
  | { readonly status: 'succeeded' }
  | { readonly status: 'failed' | 'timeout' | 'cancelled' | 'lost'; readonly failure: Failure };

/** Code of the user's around each attempt. What a hook throws is reported to `onError` and changes nothing. */
export interface RunnerHooks {
  /** Before the rollout function; it waits for this. */
  readonly onRolloutStart?: (start: RolloutStart) => Promise<void> | void;
  /** After the agent's spans are stored and before the attempt is final, inside the rollout: `emitReward` works here. */
  readonly onRolloutEnd?: (end: RolloutEnd) => Promise<void> | void;
}
