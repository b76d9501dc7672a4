import type { Episode } from '@agent-lightning/core';
import type { RewardSummary } from '../metrics.ts';

/** Returns mean and deviation of the rewards that there are; a rollout without one is left out. */
export function summariseRewards(
  episodes: readonly Episode[],
  kindOf: ((episode: Episode) => string) | undefined,
): RewardSummary {
  const rewarded = episodes.flatMap((episode) =>
    episode.reward === undefined
      ? []
      : [{ reward: episode.reward, kind: kindOf?.(episode), isEarned: episode.isFailureReward !== true }],
  );
  const rewards = rewarded.map(({ reward }) => reward);
  const mean = meanOf(rewards);
  const deviation = mean === undefined ? undefined : Math.sqrt(meanOf(rewards.map((reward) => (reward - mean) ** 2))!);
  const all = rangeOf(rewards);
  const earned = rangeOf(rewarded.flatMap(({ reward, isEarned }) => (isEarned ? [reward] : [])));
  return {
    mean,
    deviation,
    ...(all === undefined ? {} : { lowest: all[0], highest: all[1] }),
    ...(earned === undefined ? {} : { earned }),
    count: rewards.length,
    byKind: meanByKind(rewarded),
  };
}

/** Returns the mean reward by kind, kinds in alphabetical order; items without a kind are left out. */
export function meanByKind(
  items: readonly { readonly reward: number; readonly kind: string | undefined }[],
): Readonly<Record<string, number>> {
  const kinds = Map.groupBy(
    items.filter(({ kind }) => kind !== undefined),
    ({ kind }) => kind!,
  );
  const means = [...kinds].map(([kind, own]): [string, number] => [kind, meanOf(own.map(({ reward }) => reward))!]);
  return Object.fromEntries(means.sort(([a], [b]) => a.localeCompare(b)));
}

function rangeOf(values: readonly number[]): readonly [lowest: number, highest: number] | undefined {
  if (values.length === 0) return undefined;
  return values.reduce(
    ([lowest, highest], value) => [Math.min(lowest, value), Math.max(highest, value)],
    [Infinity, -Infinity],
  );
}

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
