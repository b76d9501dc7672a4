import { TrainerError } from '@agent-lightning/core';

/** What a search has come to, as far as it decides whether it can go on. */
export interface SearchProgress {
  /** True when the prompts as they are have rewards on the selection tasks. */
  readonly isScored: boolean;
  /** Steps in a row in which no rollout had a reward. */
  readonly silentSteps: number;
  /** Steps in a row in which the model that writes prompts answered nothing. */
  readonly failedReflections: number;
}

/** Returns the error with which a search ends that cannot go on; undefined when it can. @param patience the steps in a row after which it gives up @param reason the newest message of the model */
export function findFailure(
  owner: string,
  { isScored, silentSteps, failedReflections }: SearchProgress,
  patience: number,
  reason = 'no message',
): Error | undefined {
  if (!isScored)
    return new TrainerError(
      'no rollout of the prompts as they are had a reward on the selection tasks; return a number from the rollout function',
      { code: 'no-signal' },
    );
  if (silentSteps >= patience)
    return new TrainerError(
      `no rollout of the last ${silentSteps} steps had a reward; return one from the rollout function`,
      { code: 'no-signal' },
    );
  if (failedReflections < patience) return undefined;
  return new TrainerError(
    `${owner}.reflection has not answered in ${failedReflections} steps (${reason}); the run is saved: resume it when the model answers`,
    { code: 'upstream-failed' },
  );
}
