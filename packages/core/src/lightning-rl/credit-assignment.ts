import { TraceError, ConfigurationError } from '../errors.ts';
import type { Episode } from '../transitions/transition.ts';
import { distancesFrom, distancesToEnd, findInfluence, isSequence, type Influence } from './influence.ts';

/**
 * The rule by which an episode's return reaches its calls. With K calls, r_k the own reward of call k (rewards scoped to it plus
 * intermediate rewards, 0 when none), r_T the rollout's reward with those of calls that are not trained on, and G = r_T + Σ r_k
 * the episode's return:
 *
 * The order of calls is that of cause: `influence.ts` has d(k, j), the distance from a call to one that it can have influenced, which is j − k where
 * no calls ran in parallel, and h(k), its distance to the end, which is K−1−k there.
 *
 * - `'identical'`: G_k = G. Mean over calls = G. @source arXiv:2508.03680, "LightningRL"
 * - `{ discounted: γ }`: G_k = γ^h(k)·G. For calls in sequence G_(K−1) = G and G_k = γ·G_(k+1).
 * - `'perStep'`: G_k = r_k, and r_T too for a call that nothing followed. For calls in sequence Σ G_k = G.
 * - `{ perStep: γ }`: the reward-to-go, G_k = r_k + Σ_j γ^d(k,j)·r_j + γ^h(k)·r_T over the calls j that k can have influenced. For calls in
 *   sequence G_k = r_k + γ·G_(k+1); with γ = 1, G_0 = G.
 * - a function from the episode and its calls' own rewards (shape (K,)) to K numbers, each from −1e15 to 1e15.
 */
export type Credit =
  | 'identical'
  | 'perStep'
  | { readonly discounted: number }
  | { readonly perStep: number }
  | ((episode: Episode, ownRewards: Float64Array) => ArrayLike<number>);

/** Checks a credit option. @throws {ConfigurationError} `option-invalid` */
export function checkCredit(credit: Credit): void {
  if (credit === 'identical' || credit === 'perStep' || typeof credit === 'function') return;
  const gamma = discountOf(credit);
  if (typeof gamma !== 'number' || !(gamma >= 0 && gamma <= 1)) {
    throw new ConfigurationError(
      `credit is ${JSON.stringify(credit)}; give 'identical', 'perStep', { discounted } or { perStep } with a discount from 0 to 1, or a function`,
      { code: 'option-invalid' },
    );
  }
}

/**
 * Tells whether the episode has the return that `credit` needs. A rollout without a reward is left out, never counted as 0:
 * only credit that keeps per-call rewards can do without the rollout's own, and only when the rollout succeeded.
 */
export function hasReturn(episode: Episode, credit: Credit): boolean {
  if (episode.reward !== undefined) return true;
  const keepsCallRewards =
    credit === 'perStep' || typeof credit === 'function' || (typeof credit === 'object' && 'perStep' in credit);
  return (
    keepsCallRewards &&
    episode.rollout.status === 'succeeded' &&
    (episode.untrainedReward !== undefined || episode.transitions.some((call) => call.reward !== undefined))
  );
}

/**
 * Returns the return of each call, shape (K,): the outer level of LightningRL.
 * @param intermediate intermediate rewards, shape (K,), added to the calls' own
 * @throws {TraceError} `reward-invalid` for a reward or a function's result that is not finite or has another length
 */
export function assignCredit(episode: Episode, credit: Credit, intermediate?: ArrayLike<number>): Float64Array {
  checkCredit(credit);
  const own = ownRewards(episode, intermediate);
  if (typeof credit === 'function') return checkReturns(episode, Float64Array.from(credit(episode, own)));
  const terminal = (episode.reward ?? 0) + (episode.untrainedReward ?? 0);
  if (credit === 'identical') return new Float64Array(own.length).fill(sumOf(own, terminal));
  if (credit === 'perStep') return rewardToGo(episode, own, terminal, 0);
  return checkReturns(
    episode,
    'discounted' in credit
      ? discounted(episode, own, terminal, credit.discounted)
      : rewardToGo(episode, own, terminal, credit.perStep),
  );
}

/** Returns the rollout's return G without shaping: its own reward, and those of its calls. */
export function totalReward(episode: Episode): number {
  return episode.transitions.reduce(
    (sum, call) => sum + (call.reward ?? 0),
    (episode.reward ?? 0) + (episode.untrainedReward ?? 0),
  );
}

/**
 * Returns what the rollout earned by itself, for the comparison with others of its group: its return without shaping; under credit that keeps
 * per-call rewards those too; under a function, the function's returns. A discount and intermediate rewards are shaping.
 */
export function earnedRewards(episode: Episode, credit: Credit): Float64Array {
  if (typeof credit === 'function') return assignCredit(episode, credit);
  const keepsCallRewards = credit === 'perStep' || (typeof credit === 'object' && 'perStep' in credit);
  const ofCalls = keepsCallRewards ? episode.transitions.map((call) => call.reward ?? 0) : [];
  return Float64Array.from([totalReward(episode), ...ofCalls]);
}

function ownRewards(episode: Episode, intermediate: ArrayLike<number> | undefined): Float64Array {
  const calls = episode.transitions;
  if (intermediate !== undefined && intermediate.length !== calls.length) {
    throw new TraceError(
      `rollout ${episode.rollout.rolloutId} has ${calls.length} calls and ${intermediate.length} intermediate rewards; give one for each call`,
      { code: 'reward-invalid' },
    );
  }
  if (episode.reward !== undefined) checkSize(episode, episode.reward, 'reward');
  checkSize(episode, episode.untrainedReward ?? 0, 'reward of calls that are not trained on');
  return Float64Array.from(calls, (call, index) => {
    const own = (call.reward ?? 0) + (intermediate?.[index] ?? 0);
    return checkSize(episode, own, `reward of call ${index}`);
  });
}

function sumOf(own: Float64Array, terminal: number): number {
  return own.reduce((sum, reward) => sum + reward, terminal);
}

function discounted({ transitions }: Episode, own: Float64Array, terminal: number, gamma: number): Float64Array {
  const total = sumOf(own, terminal);
  const last = own.length - 1;
  const toEnd = isSequence(transitions)
    ? own.map((_, index) => last - index)
    : distancesToEnd(findInfluence(transitions));
  return Float64Array.from(toEnd, (distance) => total * gamma ** distance);
}

function rewardToGo({ transitions }: Episode, own: Float64Array, terminal: number, gamma: number): Float64Array {
  if (!isSequence(transitions)) return rewardToInfluence(own, terminal, gamma, findInfluence(transitions));
  const returns = Float64Array.from(own);
  const last = returns.length - 1;
  if (last >= 0) returns[last]! += terminal;
  for (let index = last - 1; index >= 0; index -= 1) returns[index]! += gamma * returns[index + 1]!;
  return returns;
}

function rewardToInfluence(own: Float64Array, terminal: number, gamma: number, influence: Influence): Float64Array {
  const toEnd = distancesToEnd(influence);
  return own.map((reward, index) => {
    let sum = reward + gamma ** toEnd[index]! * terminal;
    for (const [later, distance] of distancesFrom(index, influence)) sum += gamma ** distance * own[later]!;
    return sum;
  });
}

function checkReturns(episode: Episode, returns: Float64Array): Float64Array {
  if (returns.length !== episode.transitions.length) {
    throw new TraceError(
      `credit of rollout ${episode.rollout.rolloutId} has ${returns.length} returns for ${episode.transitions.length} calls; return one number for each transition`,
      { code: 'reward-invalid' },
    );
  }
  returns.forEach((value, index) => checkSize(episode, value, `return of call ${index}`));
  return returns;
}

/** The largest size of a return: that of a million rewards, whose square a float32 still holds. */
const largestReturn = 1e15;

function checkSize(episode: Episode, value: number, what: string): number {
  if (!(Math.abs(value) <= largestReturn)) {
    throw new TraceError(
      `${what} of rollout ${episode.rollout.rolloutId} is ${value}; rewards and returns must be numbers from -1e15 to 1e15`,
      { code: 'reward-invalid' },
    );
  }
  return value;
}

function discountOf(credit: { readonly discounted: number } | { readonly perStep: number }): unknown {
  if (typeof credit !== 'object' || credit === null) return undefined;
  return 'discounted' in credit ? credit.discounted : credit.perStep;
}
