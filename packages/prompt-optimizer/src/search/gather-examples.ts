import type { AlgorithmHost, Episode } from '@agent-lightning/core';
import type { Example } from '../reflection/request.ts';
import { findEpisodes } from './step-rollouts.ts';

/** The reason why nothing can be learned from the runs of a minibatch: none has a reward, or all have the perfect one. */
export type NoExamples = 'unrewarded' | 'perfect';

/** Returns the runs of a parent on its minibatch as a reflection model sees them, or why nothing can be learned from them. */
export async function gatherExamples(
  host: Pick<AlgorithmHost, 'readSpans'>,
  perfectReward: number,
  { index, minibatch }: { readonly index: number; readonly minibatch: readonly number[] },
  episodes: readonly Episode[],
): Promise<readonly Example[] | NoExamples> {
  const found = findEpisodes(episodes, 'parent', `p${index}`);
  const given = minibatch.flatMap((task) => found.get(task) ?? []);
  if (given.every(({ reward }) => reward === undefined)) return 'unrewarded';
  if (given.every(({ reward }) => reward !== undefined && reward >= perfectReward)) return 'perfect';
  const spans = Map.groupBy(await host.readSpans(given.map(({ rollout }) => rollout)), ({ rolloutId }) => rolloutId);
  return given.map((episode) => ({ episode, spans: spans.get(episode.rollout.rolloutId) ?? [] }));
}
