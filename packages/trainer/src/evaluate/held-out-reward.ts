import type { Episode } from '@agent-lightning/core';

/** Returns the reward that a held-out rollout counts with: one that failed, or that has no reward, counts as 0. */
export function toHeldOutReward({ reward }: Episode): number {
  return reward ?? 0;
}
