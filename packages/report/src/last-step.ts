import { LightningError, type Episode } from '@agent-lightning/core';
import type { ReportContext } from './report-data.ts';
import { viewRollout, type RolloutView } from './rollout-view/view-rollout.ts';

/** The training rollouts of the newest step of a run that has any. */
export interface LastStep {
  readonly step: number;
  readonly episodes: readonly Episode[];
  readonly views: readonly RolloutView[];
  /** The reason for which they could not be read: the store was away when the run ended, and still has them. */
  readonly unread?: string;
}

/** Reads every rollout of a step from the store; undefined where it has none. */
export async function readLastStep(
  { collector }: Pick<ReportContext, 'collector'>,
  step: number,
): Promise<LastStep | undefined> {
  try {
    const rollouts = await collector.findStep(step);
    if (rollouts.length === 0) return undefined;
    const episodes = await collector.readEpisodes(rollouts);
    const spans = Map.groupBy(await collector.readSpans(rollouts), ({ rolloutId }) => rolloutId);
    const views = episodes.map((episode) => viewRollout(episode, spans.get(episode.rollout.rolloutId) ?? []));
    return { step, episodes, views };
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    return { step, episodes: [], views: [], unread: error.message };
  }
}
