import { buildBatch, type Episode, type LightningBatch } from '@agent-lightning/core';
import type { GrpoSettings } from './grpo-options.ts';
import type { GrpoState } from './grpo-state.ts';
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
  limits: CallLimits,
  seen: Pick<GrpoState, 'rewardRange' | 'nodeStatistics'> = {},
): StepBatch {
  const { credit, estimator, samples, tokenWeighting, intermediate, weighNodes, rewardScale } = settings;
  const episodes = all.map((episode) => withinLimits(episode, limits));
  const batch = buildBatch(episodes, {
    credit,
    estimator,
    samples,
    tokenWeighting,
    weighNodes,
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(rewardScale === undefined ? {} : { rewardScale }),
    ...(seen.rewardRange === undefined ? {} : { rewardRange: seen.rewardRange }),
    ...(seen.nodeStatistics === undefined ? {} : { nodeStatistics: seen.nodeStatistics }),
  });
  return { episodes, batch };
}
