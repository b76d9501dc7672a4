import type { Episode } from '@agent-lightning/core';

/** The reasons for which a rollout is not imitated, in the order in which they are looked for. */
export const leftOutReasons = [
  'failed',
  'noCalls',
  'truncated',
  'noReward',
  'belowMinReward',
  'notBetter',
  'duplicate',
  'surplus',
] as const;

/** The reason for which a rollout is not imitated. */
export type LeftOutReason = (typeof leftOutReasons)[number];

/** Says which rollouts are imitated. */
export interface SelectionSettings {
  /** The most rollouts of one task. */
  readonly keep: number;
  /** The lowest reward of a rollout; undefined: any. */
  readonly minReward: number | undefined;
  /** True where a rollout must have earned more than the mean of its task's rollouts. */
  readonly mustBeBetter: boolean;
  /** Says whether rollouts with a response that the token limit cut off are imitated. */
  readonly truncated: 'train' | 'leave-out';
  /** True where rollouts of one task that say the same count once. */
  readonly dedupe: boolean;
}

/** The rollouts that are imitated, in the order given, and how many are not. */
export interface Selection {
  readonly kept: readonly Episode[];
  readonly leftOut: Readonly<Partial<Record<LeftOutReason, number>>>;
}

/**
 * Selects the rollouts to imitate: those that ended well, have a trainable call and enough reward, each text once, and of a task the best.
 * Of equals the first is taken. The choice depends on rewards and texts alone, so that with shuffled rewards it knows nothing.
 * @param taskOf names the task of a rollout
 */
export function selectDemonstrations(
  episodes: readonly Episode[],
  settings: SelectionSettings,
  taskOf: (episode: Episode) => string,
): Selection {
  const reasons = new Map<Episode, LeftOutReason>();
  for (const group of Map.groupBy(episodes, taskOf).values()) {
    const mean = meanReward(group);
    const fit = group.filter((episode) => {
      const reason = findFault(episode, settings, mean);
      if (reason !== undefined) reasons.set(episode, reason);
      return reason === undefined;
    });
    const ranked = fit.toSorted((one, other) => (other.reward ?? 0) - (one.reward ?? 0));
    for (const [episode, reason] of cut(ranked, settings)) reasons.set(episode, reason);
  }
  return { kept: episodes.filter((episode) => !reasons.has(episode)), leftOut: countReasons([...reasons.values()]) };
}

/** Returns what is wrong with a rollout by itself, or beside the mean of its task. */
function findFault(
  { rollout, transitions, reward }: Episode,
  { minReward, mustBeBetter, truncated }: SelectionSettings,
  mean: number | undefined,
): LeftOutReason | undefined {
  if (rollout.status !== 'succeeded') return 'failed';
  if (transitions.length === 0) return 'noCalls';
  if (truncated === 'leave-out' && transitions.some(({ finishReason }) => finishReason === 'length'))
    return 'truncated';
  if (reward === undefined) return minReward !== undefined || mustBeBetter ? 'noReward' : undefined;
  if (minReward !== undefined && reward < minReward) return 'belowMinReward';
  if (mustBeBetter && !(reward > mean!)) return 'notBetter';
  return undefined;
}

/** Returns those of a task's rollouts, best first, that say what a better one says, and those beyond the number that is kept. */
function cut(
  ranked: readonly Episode[],
  { keep, dedupe }: SelectionSettings,
): readonly (readonly [Episode, LeftOutReason])[] {
  const said = new Set<string>();
  let kept = 0;
  return ranked.flatMap((episode): (readonly [Episode, LeftOutReason])[] => {
    const text = dedupe ? writeTokens(episode) : '';
    if (dedupe && said.has(text)) return [[episode, 'duplicate']];
    said.add(text);
    kept += 1;
    return kept > keep ? [[episode, 'surplus']] : [];
  });
}

/** Writes all that a rollout would train, as a key. */
function writeTokens({ transitions }: Episode): string {
  return transitions
    .map(({ policy, promptIds, responseIds }) => `${policy}:${promptIds.join(' ')}>${responseIds.join(' ')}`)
    .join('\n');
}

function meanReward(group: readonly Episode[]): number | undefined {
  const rewards = group.flatMap(({ reward }) => reward ?? []);
  return rewards.length === 0 ? undefined : rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
}

function countReasons(reasons: readonly LeftOutReason[]): Selection['leftOut'] {
  const counts = Map.groupBy(reasons, (reason) => reason);
  return Object.fromEntries(
    leftOutReasons.flatMap((reason) => (counts.has(reason) ? [[reason, counts.get(reason)!.length]] : [])),
  );
}
