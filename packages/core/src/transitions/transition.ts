import type { FailureKind, SamplingPace } from '../failures/failure-kind.ts';
import type { Rollout } from '../vocabulary/rollout.ts';

/** An event that the system itself observed after a call, such as a failed tool; for automatic intermediate rewarding. */
export interface StepSignal {
  readonly type: 'tool_ok' | 'tool_error' | 'exception' | 'parse_failure' | 'length_stop';
  /** The tool's, exception's or parser's name. */
  readonly name: string;
  readonly spanId: string;
}

/** One model call by a trained agent: the (prompt, response, reward) triplet of the unified trace interface. @source arXiv:2508.03680 §3.1 */
export interface Transition {
  readonly rolloutId: string;
  readonly attemptId: string;
  /** The span that holds the tokens. */
  readonly spanId: string;
  readonly sequenceId: number;
  /** Position among the rollout's transitions, from 0. */
  readonly callIndex: number;
  /** The most specific name of the node or agent that called. */
  readonly agentName: string;
  readonly policy: string;
  readonly policyVersion: number;
  /** Shape (P,). */
  readonly promptIds: Int32Array;
  /** Shape (T,), T ≥ 1. */
  readonly responseIds: Int32Array;
  /** Shape (T,), nats. */
  readonly logprobs: Float32Array;
  /** The temperature that the response was sampled at, of which `logprobs` are. @default 1 */
  readonly temperature?: number;
  readonly finishReason: string;
  /** The reward that the call itself earned by rewards scoped to its span or agent; undefined when none was given. */
  readonly reward: number | undefined;
  readonly signals: readonly StepSignal[];
  /**
   * The span ids of transitions before this one in the list that ran beside it, such as those of a parallel sub-agent: neither can have influenced the
   * other. Absent when there are none.
   */
  readonly beside?: readonly string[];
}

/** A model call of a trained agent that must not be trained on, and why. */
export interface UntrainableCall {
  readonly spanId: string;
  readonly agentName: string;
  readonly reason: string;
  /** True for a call that failed because what samples was away or broke. */
  readonly isOutage?: true;
  /** Present when the call did not go through the gateway, with the host that it went to and the client that sent it where they were seen. */
  readonly outside?: { readonly host?: string; readonly client?: string };
  /** True for an answer that the agent threw away, as when a node that failed is run again. */
  readonly isDiscarded?: true;
}

/** A model call that no policy should have answered: of an agent that keeps its model, or of code outside every wrapped agent. */
export interface OtherCall {
  /** The most telling name of the agent; empty where there is none. */
  readonly agentName: string;
  /** True for a call of an agent that a framework reported, and false for one of other code, such as a judge or a search in vectors. */
  readonly isWrapped: boolean;
  /** The host that answered, where a request was seen. */
  readonly host?: string;
  /** The client by its own word, such as `OpenAI/JS`, where a request was seen. */
  readonly client?: string;
}

/** An agent that a framework reported in a rollout with a policy. */
export interface SeenAgent {
  /** Its most specific name. */
  readonly name: string;
  /** True when its model calls go to the policy. */
  readonly selected: boolean;
  /** The `agentMatch` that selected it, as it was written; undefined where none did. */
  readonly match: string | undefined;
  /** Every `agentMatch` that was asked before and does not match it, innermost first. */
  readonly unmatched: readonly string[];
  /** Its model calls that the framework reported. */
  readonly calls: number;
}

/** A span that could not be read or attributed, and why: visible, and without effect. */
export interface TraceProblem {
  readonly spanId: string;
  readonly reason: string;
}

/** One finished rollout as training sees it: its transitions, its rewards, and the calls that cannot be trained on. */
export interface Episode {
  readonly rollout: Rollout;
  /** The transitions in the order of the calls. */
  readonly transitions: readonly Transition[];
  readonly untrainable: readonly UntrainableCall[];
  /**
   * The calls among the untrainable ones whose answers the agent threw away, and which could be trained on otherwise: the rollout's reward says
   * nothing about them. Absent when there are none.
   */
  readonly discarded?: readonly Transition[];
  /** Says who ended the rollout; present where it came to its end without success. */
  readonly failureKind?: FailureKind;
  /** How long and how fast the policy sampled; absent when it answered no call. */
  readonly pace?: SamplingPace;
  /** The primary dimension of the rollout's own reward; undefined when none arrived: then a rollout that succeeded is left out, never counted as 0. */
  readonly reward: number | undefined;
  /** True when the reward is that of a failure, and nothing that an agent earned; a control run gives it to another rollout with its reward. */
  readonly isFailureReward?: true;
  /**
   * The rewards of calls that are not among the transitions, summed: of other agents, or not fit to be trained on. They belong to the
   * rollout's return as its own reward does, and never to another call. Undefined when there is none.
   */
  readonly untrainedReward?: number | undefined;
  /** Every named dimension of the rollout's own reward, the primary one included. */
  readonly rewards: Readonly<Record<string, number>>;
  /** The text that says why the rollout's own reward is what it is; absent where none was given. */
  readonly feedback?: string;
  /** The agents that frameworks reported; absent when there are none. */
  readonly agents?: readonly SeenAgent[];
  /** The model calls that no policy should have answered; absent when there are none. */
  readonly otherCalls?: readonly OtherCall[];
  /** Malformed rewards, and rewards whose target made no call. */
  readonly problems?: readonly TraceProblem[];
}
