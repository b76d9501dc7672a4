import type { Episode, Transition } from '@agent-lightning/core';
import type { PolicyVersions } from '../policies/policy-set.ts';

export interface CallLimits {
  /** The longest sample that the backend trains, in tokens; no sample is longer than its longest call. */
  readonly maxSampleTokens: number;
  /** True where the backend scores at the temperature of a call; else calls of another temperature than 1 are left out. */
  readonly hasTemperature?: boolean | undefined;
  /** The version of each policy that is about to be trained. */
  readonly versions: PolicyVersions;
  /** The most versions that may lie between a call and its training. */
  readonly maxStaleness: number;
  /** Says whether calls that the token limit cut off are trained on. */
  readonly truncated: 'train' | 'leave-out';
}

/**
 * Returns the episode with its calls that are too long, too old, of a temperature that the backend cannot score, or cut off where such are
 * left out, moved to the untrainable ones.
 */
export function withinLimits(all: Episode, limits: CallLimits): Episode {
  const episode = withoutDiscarded(all, limits);
  const checked = episode.transitions.map((call) => ({ call, problem: problemOf(call, limits) }));
  if (checked.every(({ problem }) => problem === undefined)) return episode;
  return {
    ...episode,
    transitions: checked
      .filter(({ problem }) => problem === undefined)
      .map(({ call }, callIndex) => ({ ...call, callIndex })),
    untrainable: [
      ...episode.untrainable,
      ...checked.flatMap(({ call: { spanId, agentName }, problem }) =>
        problem === undefined ? [] : [{ spanId, agentName, reason: problem }],
      ),
    ],
    untrainedReward: checked.reduce(
      (sum, { call: { reward }, problem }) =>
        problem === undefined || reward === undefined ? sum : (sum ?? 0) + reward,
      episode.untrainedReward,
    ),
  };
}

/** Leaves out the answers that were thrown away and could not be trained on anyway; they are among the untrainable ones already. */
function withoutDiscarded(episode: Episode, limits: CallLimits): Episode {
  const { discarded, ...rest } = episode;
  if (discarded === undefined) return episode;
  const usable = discarded.filter((call) => problemOf(call, limits) === undefined);
  return usable.length === 0 ? rest : { ...rest, discarded: usable };
}

/** Returns the number of versions between a call and the policy that is about to be trained. */
export function stalenessOf(call: Transition, versions: PolicyVersions): number {
  return (versions[call.policy] ?? call.policyVersion) - call.policyVersion;
}

/** Counts the calls of these episodes that are too old to be trained on. */
export function countStaleCalls(episodes: readonly Episode[]): number {
  return episodes.reduce(
    (sum, { untrainable }) => sum + untrainable.filter(({ reason }) => reason.startsWith(staleReason)).length,
    0,
  );
}

const staleReason = 'too old: ';

function problemOf(call: Transition, limits: CallLimits): string | undefined {
  const { maxSampleTokens, hasTemperature, versions, maxStaleness, truncated } = limits;
  const tokens = call.promptIds.length + call.responseIds.length;
  if (tokens > maxSampleTokens)
    return `the call has ${tokens} tokens, and the backend trains samples of at most ${maxSampleTokens}`;
  const { temperature = 1 } = call;
  if (temperature !== 1 && hasTemperature !== true)
    return `the call was sampled at temperature ${temperature}, and the backend scores at temperature 1 only`;
  if (stalenessOf(call, versions) > maxStaleness)
    return `${staleReason}version ${call.policyVersion} of "${call.policy}" answered, and version ${versions[call.policy]} is trained, more than maxStaleness = ${maxStaleness} later`;
  if (truncated === 'leave-out' && call.finishReason === 'length')
    return "the token limit cut the response off, and truncated is 'leave-out'";
  return undefined;
}
