import type { Progress } from '@agent-lightning/run';
import type { RunnerHooks } from '@agent-lightning/runner';

/** Returns the user's hooks, which tell progress of each rollout besides. */
export function countRollouts({ onRolloutStart, onRolloutEnd }: RunnerHooks, progress: Progress): RunnerHooks {
  return {
    onRolloutStart: async (start) => {
      progress.rolloutStarted(start.rollout.rolloutId);
      await onRolloutStart?.(start);
    },
    onRolloutEnd: async (end) => {
      progress.rolloutEnded(end.rollout.rolloutId);
      await onRolloutEnd?.(end);
    },
  };
}
