import { buildBatch, type Episode, type LightningBatch } from '@agent-lightning/core';
import type { GrpoSettings } from './grpo-options.ts';
import { withinLimits, type CallLimits } from './step/trainable-calls.ts';

/** The episodes of a step as they are learned from, and the training samples that they became. */
export interface StepBatch {
  readonly episodes: readonly Episode[];
  readonly batch: LightningBatch;
}

/** Turns episodes into training samples: calls within the limits → rewards → credit → advantages → samples. */
export function toBatch(all: readonly Episode[], settings: GrpoSettings, limits: CallLimits): StepBatch {
  const { credit, estimator, samples, tokenWeighting, intermediate } = settings;
  const episodes = all.map((episode) => withinLimits(episode, limits));
  const batch = buildBatch(episodes, {
    credit,
    estimator,
    samples,
    tokenWeighting,
    ...(intermediate === undefined ? {} : { intermediate }),
  });
  return { episodes, batch };
}
