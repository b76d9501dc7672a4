import type { Rollout } from '@agent-lightning/core';

/** Returns the step that a rollout was queued for, by its metadata. */
export function stepOf({ metadata }: Pick<Rollout, 'metadata'>): number | undefined {
  const step = metadata['step'];
  return typeof step === 'number' ? step : undefined;
}
