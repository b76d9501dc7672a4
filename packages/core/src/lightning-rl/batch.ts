import type { TrainingSample } from '../contracts/training-backend.ts';
import type { RewardRange } from './spread.ts';

/** The response of one call inside a sample: the only tokens of the sample that are trained, together with its siblings'. */
export interface SampleSegment {
  readonly callIndex: number;
  readonly policyVersion: number;
  /** First token of the response in the sample; the segment is `tokens[start..end)`. */
  readonly start: number;
  readonly end: number;
  /** The call's advantage, not yet weighted. */
  readonly advantage: number;
}

/** A training sample that knows where it came from. */
export interface BatchSample extends TrainingSample {
  readonly rolloutId: string;
  readonly groupId: string;
  readonly policy: string;
  /** The calls whose tokens this sample contains, in order, those trained in another sample included. */
  readonly callIndexes: readonly number[];
  /** Versions of the policy that sampled the sample's trained tokens, ascending, each once. More than one is allowed: log-probabilities are per token. */
  readonly policyVersions: readonly number[];
  /** The trained stretches, in order; they cover exactly the tokens with `lossMask` 1. */
  readonly segments: readonly SampleSegment[];
  /** Shape (T,): each token's advantage before its weight; 0 where `lossMask` is 0. */
  readonly tokenAdvantages: Float64Array;
  /** The weight of each of the sample's tokens in the loss: `advantages = tokenAdvantages · tokenWeight`. */
  readonly tokenWeight: number;
  /** Shape (T,), nats: the reference's log-probabilities; only while an objective has its KL to the reference in the loss. */
  readonly referenceLogprobs?: Float32Array;
}

/** The weight of each token of a rollout in the loss; R rollouts, N(ρ) trained tokens in rollout ρ, N in all. */
export type TokenWeighting =
  /** 1 / (R·N(ρ)): each rollout weighs 1/R. */
  | 'rollout'
  /** 1 / N: each token weighs the same, so long rollouts weigh more. @source DAPO, arXiv:2503.14476 §3.3 */
  | 'token'
  /** 1 / (R·L) for a constant L, such as the sampling limit. @source Dr. GRPO, arXiv:2503.20783 §3.2 */
  | { readonly constant: number };

/** The groups, rollouts and calls that did not enter a batch, by reason. */
export interface DroppedFromBatch {
  /** Groups in which nothing distinguishes one rollout from another. */
  readonly zeroVarianceGroups: readonly string[];
  /** Groups of one rollout, for which an estimator with a group baseline has no advantage. */
  readonly singletonGroups: readonly string[];
  /** Rollouts without a reward. */
  readonly missingReward: readonly string[];
  /** Rollouts with a reward and without a trainable call. */
  readonly noTransitions: readonly string[];
  /** Calls of the given rollouts that must not be trained on. */
  readonly untrainable: number;
}

/** The samples of one optimizer step; their loss weights are those of their own rollouts. */
export interface Minibatch {
  readonly samples: readonly BatchSample[];
  /** R: the rollouts that have samples here. */
  readonly rolloutCount: number;
  readonly groupIds: readonly string[];
}

/** The weighted training samples that LightningRL makes of a set of episodes. */
export interface LightningBatch extends Minibatch {
  readonly tokenWeighting: TokenWeighting;
  /** The advantage of each call, shape (K,), by rollout. */
  readonly advantages: ReadonlyMap<string, Float64Array>;
  /** The return that credit assignment gave each call, shape (K,), by rollout; of every rollout with a reward and calls. */
  readonly returns: ReadonlyMap<string, Float64Array>;
  /** The returns of rollouts that the run has seen, this batch included; absent before the first. */
  readonly rewardRange?: RewardRange;
  /** Groups in the batch whose rollouts all earned the same: only intermediate rewards or a discount tell them apart. Their advantages are small. */
  readonly shapingOnlyGroups: readonly string[];
  readonly dropped: DroppedFromBatch;
}
