/**
 * LightningRL, as the paper has it (arXiv:2508.03680, "LightningRL"):
 *
 *   1. Run the agent n times on a task; an execution is a sequence of calls (input_k, output_k, r_k), its return G = Σ r_k.
 *   2. Each call is an action: state input_k, action the whole token sequence output_k. Other components are environment.
 *   3. Credit assignment: every call of the execution inherits the return G.
 *   4. Advantage: any single-turn method over the calls of one task, such as GRPO: (G − mean) / deviation.
 *   5. Loss: −E[ Σ_t log π(y_t | x, y_<t) · A ], a policy-gradient step on the calls as independent samples.
 *
 * We changed the following, for these reasons:
 *
 *   1. Statistics are over rollouts, not over calls: else one success in three calls and one failure in one call have
 *      the mean 3/4, and long episodes weigh more.
 *   2. Each rollout weighs 1/R in the loss however it was split into samples; the loss does not depend on the splitting.
 *   3. Calls that continue each other become one sample by a prefix tree over exact token ids: 10 turns of equal length
 *      cost 10 turns and not 55. Nothing is re-tokenised, and every response token is trained once.
 *   4. Credit is an option (discounted, per step, a function); `identical` is the paper's.
 *   5. A rollout that succeeded without a reward is left out, not counted as 0; a group without variance is dropped and named.
 *      A rollout with a reward counts in its group's mean, also when none of its calls can be trained on.
 *   6. The ratio to the sampling policy, clipped, replaces log π, as the estimators' own papers have it (see `Loss`).
 *   7. Several policies in one rollout share its returns and their statistics, and are weighed each on its own.
 *
 * Symbols: ρ a rollout; R how many rollouts; r_T a rollout's own reward, with those of
 * calls that are not trained on, and G its return (the paper writes R); K its calls,
 * k one of them; r_k that call's own reward, G_k its return (what credit assignment gave it), A_k its advantage; P and T the tokens of a prompt and a response; t a token; lp its
 * log-probability now, q the one at sampling time; N(ρ) the trained tokens of a rollout; γ the discount.
 */
import { ConfigurationError } from '../errors.ts';
import type { Episode } from '../transitions/transition.ts';
import { estimateAdvantages, estimators, type Estimator, type RolloutReturns } from './advantages.ts';
import type { BatchSample, LightningBatch, TokenWeighting } from './batch.ts';
import { check } from '../checks/option-checks.ts';
import { assignCredit, checkCredit, earnedRewards, hasReturn, totalReward, type Credit } from './credit-assignment.ts';
import { positionsOf } from './influence.ts';
import { intermediateRewards, type Intermediate } from './intermediate-rewards.ts';
import { checkTokenWeighting, weighSamples } from './loss-weights.ts';
import { buildSamples, type SampleLayout } from './samples.ts';
import { toRewardScale, widenRange, type RewardRange } from './spread.ts';

export interface LightningRLOptions {
  readonly credit: Credit;
  /** Automatic intermediate rewarding; `{}` for the default rules. @default none */
  readonly intermediate?: Intermediate;
  readonly estimator: Estimator;
  readonly samples: SampleLayout;
  readonly tokenWeighting: TokenWeighting;
  /**
   * The difference between a bad rollout and a good one. Advantages are never divided by less than a hundredth of it.
   * @default the range of the returns that the run has seen, at least 1
   */
  readonly rewardScale?: number;
  /** The returns that the run saw before this batch, as the batch before has them. @default none */
  readonly rewardRange?: RewardRange;
}

/**
 * Turns finished rollouts into weighted training samples. It is a pure function; the episodes are not changed. Rollouts of one
 * `groupId` (else each rollout by itself) are compared with each other.
 * @throws {ConfigurationError} `option-invalid` for a bad option, for a rollout given twice or one that is not for training
 * @throws {TraceError} `reward-invalid` | `tokens-invalid` for an episode that must not exist
 */
export function buildBatch(episodes: readonly Episode[], options: LightningRLOptions): LightningBatch {
  checkLightningRLOptions(options);
  checkEpisodes(episodes);
  const missingReward = episodes.filter((episode) => !hasReturn(episode, options.credit));
  const rewarded = episodes.filter((episode) => hasReturn(episode, options.credit));
  const usable = rewarded.filter((episode) => episode.transitions.length > 0);
  const compared = rewarded.filter((episode) => !lostItsModel(episode)).map((episode) => creditOf(episode, options)); // (ρ) → (ρ, K)
  const rewardRange = widenRange(options.rewardRange, rewarded.map(totalReward));
  const estimate = estimateAdvantages(compared, options.estimator, options.rewardScale ?? toRewardScale(rewardRange));
  const { zeroVarianceGroups, singletonGroups, shapingOnlyGroups } = estimate;
  const trained = new Set(usable.map(idOf));
  const credited = compared.filter(({ rolloutId }) => trained.has(rolloutId));
  const advantages = new Map([...estimate.advantages].filter(([rolloutId]) => trained.has(rolloutId)));
  const samples = weighSamples(
    usable.flatMap((episode) => samplesOf(episode, advantages, options.samples)),
    options.tokenWeighting,
  );
  return {
    samples,
    rolloutCount: advantages.size,
    groupIds: [...new Set(samples.map((sample) => sample.groupId))],
    tokenWeighting: options.tokenWeighting,
    advantages,
    ...(rewardRange === undefined ? {} : { rewardRange }),
    shapingOnlyGroups,
    returns: new Map(credited.map((rollout) => [rollout.rolloutId, rollout.returns])),
    dropped: {
      zeroVarianceGroups,
      singletonGroups,
      missingReward: missingReward.map(idOf),
      noTransitions: rewarded.filter((episode) => episode.transitions.length === 0).map(idOf),
      untrainable: episodes.reduce((sum, episode) => sum + episode.untrainable.length, 0),
    },
  };
}

function creditOf(episode: Episode, options: LightningRLOptions): RolloutReturns {
  const { credit, intermediate } = options;
  if (episode.transitions.length === 0) return withoutCalls(episode, credit);
  const shaping = intermediate === undefined ? undefined : intermediateRewards(episode, intermediate);
  const returns = assignCredit(episode, credit, shaping);
  return {
    rolloutId: idOf(episode),
    groupId: groupOf(episode),
    returns,
    ...(credit === 'identical' ? {} : { positions: positionsOf(episode.transitions) }),
    earned: typeof credit === 'function' && shaping === undefined ? returns : earnedRewards(episode, credit),
  };
}

/** Returns the whole reward of a rollout without calls as one return, which others are compared with. */
function withoutCalls(episode: Episode, credit: Credit): RolloutReturns {
  const total = Float64Array.of(totalReward(episode));
  return {
    rolloutId: idOf(episode),
    groupId: groupOf(episode),
    returns: total,
    ...(credit === 'identical' ? {} : { positions: ['no call'] }),
    earned: total,
  };
}

/** Tells whether a rollout has no call to train because what samples was away: then its reward says nothing about the policy. */
function lostItsModel({ transitions, untrainable }: Episode): boolean {
  return transitions.length === 0 && untrainable.some(({ isOutage }) => isOutage);
}

function samplesOf(
  episode: Episode,
  advantages: ReadonlyMap<string, Float64Array>,
  layout: SampleLayout,
): readonly BatchSample[] {
  const own = advantages.get(idOf(episode));
  return own === undefined ? [] : buildSamples(episode, groupOf(episode), own, layout);
}

function idOf(episode: Episode): string {
  return episode.rollout.rolloutId;
}

function groupOf(episode: Episode): string {
  return episode.rollout.groupId ?? episode.rollout.rolloutId;
}

/** Checks the options of LightningRL. @throws {ConfigurationError} `option-invalid` */
export function checkLightningRLOptions(options: LightningRLOptions): void {
  checkCredit(options.credit);
  checkTokenWeighting(options.tokenWeighting);
  if (options.rewardScale !== undefined) check.positive('rewardScale', options.rewardScale);
  if (!estimators.includes(options.estimator)) {
    throw new ConfigurationError(
      `estimator is ${JSON.stringify(options.estimator)}; give one of ${estimators.join(', ')}`,
      { code: 'option-invalid' },
    );
  }
  if (options.samples !== 'transition' && options.samples !== 'trajectory') {
    throw new ConfigurationError(`samples is ${JSON.stringify(options.samples)}; give 'transition' or 'trajectory'`, {
      code: 'option-invalid',
    });
  }
}

function checkEpisodes(episodes: readonly Episode[]): void {
  const seen = new Set<string>();
  for (const { rollout } of episodes) {
    if (rollout.mode !== 'train') {
      throw new ConfigurationError(
        `rollout ${rollout.rolloutId} has mode ${rollout.mode}; only train rollouts become gradients`,
        { code: 'option-invalid' },
      );
    }
    if (seen.has(rollout.rolloutId)) {
      throw new ConfigurationError(`rollout ${rollout.rolloutId} is in the batch twice; give each rollout once`, {
        code: 'option-invalid',
      });
    }
    seen.add(rollout.rolloutId);
  }
}
