import { TrainerError } from '@agent-lightning/core';
import type { SeenRewards } from '../decisions/noise.ts';

/** The part of a search's state that decides whether it can go on. */
export interface SearchProgress {
  /** Steps that are done. */
  readonly step: number;
  /** True when the prompts as they are have rewards on the selection tasks. */
  readonly isScored: boolean;
  /** Steps in a row in which no rollout had a reward. */
  readonly silentSteps: number;
  /** Steps in a row in which the model that writes prompts answered nothing. */
  readonly failedReflections: number;
  /** The rewards of all rollouts so far. */
  readonly seen: SeenRewards;
  /** True in a control run: its rewards are drawn from those of the first step, which are often all equal. */
  readonly isControl: boolean;
}

/** Returns the error with which a search ends that cannot go on; undefined when it can. @param patience the steps in a row after which it gives up @param reason the newest message of the model */
export function findFailure(
  owner: string,
  { step, isScored, silentSteps, failedReflections, seen, isControl }: SearchProgress,
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
  const constant = isControl ? undefined : findConstant(seen, step, patience);
  if (constant !== undefined) return new TrainerError(constant, { code: 'no-signal' });
  if (failedReflections < patience) return undefined;
  return new TrainerError(
    `${owner}.reflection has not answered in ${failedReflections} steps (${reason}); the run is saved: resume it when the model answers`,
    { code: 'upstream-failed' },
  );
}

/** Says that every rollout had the same reward, when so many prompts were tried, or some for so long, that another one was to be expected. */
function findConstant(seen: SeenRewards, step: number, patience: number): string | undefined {
  const prompts = Object.keys(seen).length;
  const rewards = Object.values(seen).flatMap((tasks) => Object.values(tasks).flat());
  const isEnough = prompts > manySteps(patience) || (prompts > patience && step >= manySteps(patience));
  if (!isEnough || new Set(rewards).size > 1) return undefined;
  return `all ${rewards.length} rollouts of ${prompts} prompts had the reward ${rewards[0]}, so nothing tells a better prompt; check what the rollout function returns, or raise noSignalPatience and resume to go on`;
}

/** Returns the number of steps after which a search gives up that goes on with the same result each time, where a few such steps are no wonder. */
export function manySteps(patience: number): number {
  return 3 * patience;
}

/** Says that a search ends because no new prompt comes. */
export function describeBarren(owner: string, steps: number): string {
  return `${owner}.reflection has given no prompt that could be run in ${steps} steps, each for the reason that was told: the search ends with the best prompts that it has`;
}
