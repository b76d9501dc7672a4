import type { BackendCapabilities, Episode } from '@agent-lightning/core';
import { withinLimits } from '../grpo/step/trainable-calls.ts';

/** Moves calls that are too long for the backend to the untrainable ones. A text is imitated whoever sampled it, when, and at what temperature. */
export function fitCalls(
  episodes: readonly Episode[],
  { maxSampleTokens }: Pick<BackendCapabilities, 'maxSampleTokens'>,
): readonly Episode[] {
  const limits = {
    maxSampleTokens,
    hasTemperature: true,
    versions: {},
    maxStaleness: Infinity,
    truncated: 'train',
  } as const;
  return episodes.map((episode) => withinLimits(episode, limits));
}
