import { buildBatch, type Episode, type LightningBatch } from '@agent-lightning/core';
import type { GrpoSettings } from './grpo-options.ts';
import { penalizeLengths } from './step/length-penalty.ts';
import { withinLimits, type CallLimits } from './step/trainable-calls.ts';

/** The episodes of a step as they are learned from, and the training samples that they became. */
export interface StepBatch {
  readonly episodes: readonly Episode[];
  readonly batch: LightningBatch;
}

/**
 * Turns episodes into training samples: calls within the limits → rewards → credit → advantages → samples.
 * @param rewardRange the rewards that the run saw in the steps before
 */
export function toBatch(
  all: readonly Episode[],
  settings: GrpoSettings,
  limits: Omit<CallLimits, 'truncated'>,
  rewardRange?: LightningBatch['rewardRange'],
): StepBatch {
  const { credit, estimator, samples, tokenWeighting, intermediate, rewardScale, truncated, lengthPenalty } = settings;
  const choose = (episode: Episode): Episode => withinLimits(episode, { ...limits, truncated });
  const episodes = all.map(choose);
  const learned = lengthPenalty === undefined ? episodes : penalizeLengths(all, lengthPenalty).map(choose);
  const batch = buildBatch(learned, {
    credit,
    estimator,
    samples,
    tokenWeighting,
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(rewardScale === undefined ? {} : { rewardScale }),
    ...(rewardRange === undefined ? {} : { rewardRange }),
  });
  return { episodes, batch };
}
