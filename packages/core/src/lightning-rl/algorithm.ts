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
import {
  estimateAdvantages,
  estimators,
  type AdvantageEstimate,
  type Estimator,
  type RolloutReturns,
} from './advantages.ts';
import type { BatchSample, LightningBatch, TokenWeighting } from './batch.ts';
import { check } from '../checks/option-checks.ts';
import { assignCredit, checkCredit, earnedRewards, hasReturn, totalReward, type Credit } from './credit-assignment.ts';
import { positionsOf } from './influence.ts';
import {
  boundedRewards,
  checkIntermediate,
  intermediateRewards,
  potentials,
  smallestGap,
  type Intermediate,
} from './intermediate-rewards.ts';
import { checkTokenWeighting, weighSamples } from './loss-weights.ts';
import { addCells, weighByNode, type NodeStatistics } from './node-weights.ts';
import { buildSamples, type SampleLayout } from './samples.ts';
import { smallestSpread, toRewardScale, widenRange, type RewardRange } from './spread.ts';

export interface LightningRLOptions {
  readonly credit: Credit;
  /** Automatic intermediate rewarding; `{ kind: 'additive' }` for the default rules. @default none */
  readonly intermediate?: Intermediate;
  readonly estimator: Estimator;
  readonly samples: SampleLayout;
  readonly tokenWeighting: TokenWeighting;
  /**
   * The difference between a bad rollout and a good one. Advantages are never divided by less than a hundredth of it.
   * @default the range of the returns that the run has seen, at least 1
   */
  readonly rewardScale?: number;
  /**
   * Weighs each call by how much the replies of its agent matter, and divides by the root of the batch's mean square instead of the spreads of
   * its groups. For credit `identical` and estimator `grpo`. @default false
   */
  readonly weighNodes?: boolean;
  /**
   * The advantage of each answer that the agent threw away, as when a node that failed is run again, in place of one from the rollout's reward; such as −1.
   * They have no part in any statistic, and train where the rollout does. Not for the estimator `gae`. @default they are left out
   */
  readonly discardedAdvantage?: number;
  /** What was found out of the agents before this batch, as the batch before has it. @default nothing */
  readonly nodeStatistics?: NodeStatistics;
  /** The returns that the run saw before this batch, as the batch before has them. @default none */
  readonly rewardRange?: RewardRange;
}

/** The largest advantage that an option gives: ten times what the best of a group of a hundred has. */
const largestAdvantage = 100;

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
  const compared = rewarded.filter((episode) => !lostItsModel(episode));
  const rewardRange = widenRange(options.rewardRange, rewarded.map(totalReward));
  const rewardScale = options.rewardScale ?? toRewardScale(rewardRange);
  const credits = creditOf(compared, options, rewardScale); // (ρ) → (ρ, K)
  const estimate = advantagesOf(usable, credits, options, rewardScale);
  const { nodeStatistics, zeroVarianceGroups, singletonGroups, shapingOnlyGroups } = estimate;
  const trained = new Set(usable.map(idOf));
  const credited = credits.filter(({ rolloutId }) => trained.has(rolloutId));
  const advantages = new Map([...estimate.advantages].filter(([rolloutId]) => trained.has(rolloutId)));
  const samples = weighSamples(
    usable.flatMap((episode) => samplesOf(episode, advantages, options)),
    options.tokenWeighting,
  );
  return {
    samples,
    rolloutCount: advantages.size,
    groupIds: [...new Set(samples.map((sample) => sample.groupId))],
    tokenWeighting: options.tokenWeighting,
    advantages,
    ...(rewardRange === undefined ? {} : { rewardRange }),
    ...(nodeStatistics === undefined ? {} : { nodeStatistics }),
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

/** Returns the returns of every rollout, shaped where intermediate rewarding is on. */
function creditOf(
  episodes: readonly Episode[],
  options: LightningRLOptions,
  rewardScale: number,
): readonly RolloutReturns[] {
  const { credit } = options;
  const gaps = new Map(
    [...Map.groupBy(episodes, groupOf)].map(([groupId, group]) => [
      groupId,
      smallestGap(group.map(totalReward), smallestSpread * rewardScale, rewardScale),
    ]),
  );
  return episodes.map((episode) => {
    if (episode.transitions.length === 0) return withoutCalls(episode, credit);
    const returns = shapedReturns(episode, options, gaps.get(groupOf(episode))!);
    const isPlain = typeof credit === 'function' && options.intermediate === undefined;
    return {
      rolloutId: idOf(episode),
      groupId: groupOf(episode),
      returns,
      ...(credit === 'identical' ? {} : { positions: positionsOf(episode.transitions) }),
      earned: isPlain ? returns : earnedRewards(episode, credit),
    };
  });
}

function shapedReturns(episode: Episode, { credit, intermediate }: LightningRLOptions, gap: number): Float64Array {
  if (intermediate === undefined) return assignCredit(episode, credit);
  const worths = intermediateRewards(episode, intermediate);
  if (intermediate.kind === 'additive') return assignCredit(episode, credit, boundedRewards(worths, gap));
  const before = potentials(episode, worths);
  return assignCredit(episode, credit).map((value, k) => value - before[k]!);
}

/**
 * Returns the advantages of every call, by the estimator or weighed by agent.
 * @param episodes those with calls; others are compared with them, too
 */
function advantagesOf(
  episodes: readonly Episode[],
  credited: readonly RolloutReturns[],
  options: LightningRLOptions,
  rewardScale: number,
): AdvantageEstimate & { readonly nodeStatistics?: NodeStatistics } {
  if (options.weighNodes !== true) return estimateAdvantages(credited, options.estimator, rewardScale);
  const estimate = estimateAdvantages(credited, 'dr_grpo', rewardScale);
  const nodeStatistics = addCells(options.nodeStatistics ?? {}, episodes, estimate.advantages);
  const { weighed, rootMeanSquare } = weighByNode(episodes, estimate.advantages, nodeStatistics);
  const shaped = new Set(estimate.shapingOnlyGroups);
  const groupIds = new Map(credited.map(({ rolloutId, groupId }) => [rolloutId, groupId]));
  const advantages = [...weighed].map(([rolloutId, values]): [string, Float64Array] => {
    const floor = shaped.has(groupIds.get(rolloutId)!) ? rewardScale : smallestSpread * rewardScale;
    return [rolloutId, values.map((value) => value / Math.max(rootMeanSquare, floor))];
  });
  return { ...estimate, advantages: new Map(advantages), nodeStatistics };
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
  { samples, discardedAdvantage }: Pick<LightningRLOptions, 'samples' | 'discardedAdvantage'>,
): readonly BatchSample[] {
  const own = advantages.get(idOf(episode));
  if (own === undefined) return [];
  const { transitions, discarded = [] } = episode;
  const built = buildSamples(episode, groupOf(episode), own, samples);
  if (discardedAdvantage === undefined || discarded.length === 0) return built;
  // Each is a sample of its own: what the agent went on with does not contain it.
  const given = new Float64Array(discarded.length).fill(discardedAdvantage);
  const thrownAway = buildSamples({ ...episode, transitions: discarded }, groupOf(episode), given, 'transition');
  return [...built, ...thrownAway.map((sample) => placeAfter(sample, transitions.length))];
}

/** Gives the calls of a sample the positions after those of the calls that the rollout was made of. */
function placeAfter(sample: BatchSample, count: number): BatchSample {
  return {
    ...sample,
    callIndexes: sample.callIndexes.map((index) => index + count),
    segments: sample.segments.map((segment) => ({ ...segment, callIndex: segment.callIndex + count })),
  };
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
  if (options.intermediate !== undefined) checkIntermediate(options.intermediate, options.credit);
  if (options.weighNodes === true && (options.credit !== 'identical' || options.estimator !== 'grpo'))
    throw new ConfigurationError(
      `weighNodes is on with credit ${JSON.stringify(options.credit) ?? 'of a function'} and estimator ${options.estimator}; it needs credit 'identical' and estimator 'grpo'`,
      { code: 'option-invalid' },
    );
  if (options.rewardScale !== undefined) check.positive('rewardScale', options.rewardScale);
  checkDiscarded(options);
  if (!estimators.includes(options.estimator)) {
    throw new ConfigurationError(
      `estimator is ${JSON.stringify(options.estimator)}; give one of ${estimators.join(', ')}`,
      { code: 'option-invalid' },
    );
  }
  if (options.estimator === 'gae' && options.credit !== 'perStep') {
    throw new ConfigurationError(
      `credit is ${JSON.stringify(options.credit)} with the estimator gae, by which the critic credits calls; give 'perStep', or another estimator`,
      { code: 'option-invalid' },
    );
  }
  if (options.samples !== 'transition' && options.samples !== 'trajectory') {
    throw new ConfigurationError(`samples is ${JSON.stringify(options.samples)}; give 'transition' or 'trajectory'`, {
      code: 'option-invalid',
    });
  }
}

function checkDiscarded({ discardedAdvantage, estimator }: LightningRLOptions): void {
  if (discardedAdvantage === undefined) return;
  if (!(Math.abs(discardedAdvantage) <= largestAdvantage))
    throw check.optionInvalid(
      'discardedAdvantage',
      String(discardedAdvantage),
      `a number from −${largestAdvantage} to ${largestAdvantage}`,
    );
  if (estimator === 'gae')
    throw check.optionInvalid(
      'discardedAdvantage',
      String(discardedAdvantage),
      'left out with the estimator gae, by which a critic gives every advantage',
    );
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
