import type {
  JsonValue,
  LlmEndpoint,
  NamedResources,
  Attempt,
  RewardValue,
  Rollout,
  RolloutMode,
} from '@agent-lightning/core';

/** The endpoint of a rollout, for clients of OpenAI and of Anthropic. */
export interface RolloutEndpoint extends LlmEndpoint {
  /** Is `baseUrl` without its `/v1`; give it to any client of Anthropic as its base URL. */
  readonly anthropicBaseUrl: string;
}

/** Holds what a rollout function is given besides its task. */
export interface RolloutContext {
  readonly rollout: Rollout;
  readonly attempt: Attempt;
  readonly mode: RolloutMode;
  /** The endpoint to call the policy at, for agents built by hand, a subprocess or another language. @throws TraceError `no-rollout` when the run has no policy */
  readonly llm: RolloutEndpoint;
  readonly resources: NamedResources;
  /** Aborts on time-out and cancellation; hand it to whatever waits. */
  readonly signal: AbortSignal;
}

/**
 * Runs the agent on one task and returns the reward: a number or a boolean, named ones (the first is the primary one) with a text
 * `feedback` where there is one, or nothing when it was emitted. What it writes by `console` is kept with the rollout.
 */
export type RolloutFunction<Task = JsonValue> = (
  task: Task,
  context: RolloutContext,
) => Promise<RolloutResult> | RolloutResult;

export type RolloutResult = RewardValue | undefined | void;
