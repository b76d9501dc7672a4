import type { Episode } from '@agent-lightning/core';
import type { RewardSummary } from '../metrics.ts';

/** Returns mean and deviation of the rewards that there are; a rollout without one is left out. */
export function summariseRewards(
  episodes: readonly Episode[],
  kindOf: ((episode: Episode) => string) | undefined,
): RewardSummary {
  const rewarded = episodes.flatMap((episode) =>
    episode.reward === undefined ? [] : [{ reward: episode.reward, kind: kindOf?.(episode) }],
  );
  const rewards = rewarded.map(({ reward }) => reward);
  const mean = meanOf(rewards);
  const deviation = mean === undefined ? undefined : Math.sqrt(meanOf(rewards.map((reward) => (reward - mean) ** 2))!);
  const range =
    rewards.length === 0
      ? {}
      : {
          lowest: rewards.reduce((lowest, reward) => Math.min(lowest, reward)),
          highest: rewards.reduce((highest, reward) => Math.max(highest, reward)),
        };
  return { mean, deviation, ...range, count: rewards.length, byKind: meanByKind(rewarded) };
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

function meanOf(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
}
