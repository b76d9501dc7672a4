import { buildBatch, type Episode, type LightningBatch } from '@agent-lightning/core';
import type { GrpoSettings } from './grpo-options.ts';
import type { GrpoState } from './grpo-state.ts';
import { penalizeLengths } from './step/length-penalty.ts';
import { withinLimits, type CallLimits } from './step/trainable-calls.ts';

/** The episodes of a step as they are learned from, and the training samples that they became. */
export interface StepBatch {
  readonly episodes: readonly Episode[];
  readonly batch: LightningBatch;
}

/**
 * Turns episodes into training samples: calls within the limits → rewards → credit → advantages → samples.
 * @param seen what the run saw in the steps before
 */
export function toBatch(
  all: readonly Episode[],
  settings: GrpoSettings,
  limits: Omit<CallLimits, 'truncated'>,
  seen: Pick<GrpoState, 'rewardRange' | 'nodeStatistics'> = {},
): StepBatch {
  const { credit, estimator, samples, tokenWeighting, intermediate, weighNodes, rewardScale } = settings;
  const { truncated, lengthPenalty, discardedAdvantage } = settings;
  const choose = (episode: Episode): Episode =>
    splitDiscarded(withinLimits(episode, { ...limits, truncated }), discardedAdvantage);
  const episodes = all.map(choose);
  const learned = lengthPenalty === undefined ? episodes : penalizeLengths(all, lengthPenalty).map(choose);
  const batch = buildBatch(learned, {
    credit,
    estimator,
    samples,
    tokenWeighting,
    weighNodes,
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(rewardScale === undefined ? {} : { rewardScale }),
    ...(discardedAdvantage === undefined ? {} : { discardedAdvantage }),
    ...(seen.rewardRange === undefined ? {} : { rewardRange: seen.rewardRange }),
    ...(seen.nodeStatistics === undefined ? {} : { nodeStatistics: seen.nodeStatistics }),
  });
  return { episodes, batch };
}

/** Takes the answers that the agent threw away out of the untrainable calls where they have an advantage of their own. */
function splitDiscarded(episode: Episode, discardedAdvantage: number | undefined): Episode {
  const trained = new Set(episode.discarded?.map(({ spanId }) => spanId));
  if (discardedAdvantage === undefined || trained.size === 0) return episode;
  return { ...episode, untrainable: episode.untrainable.filter(({ spanId }) => !trained.has(spanId)) };
}
