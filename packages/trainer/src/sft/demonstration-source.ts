import type { Episode, PlannedRollout, Rollout } from '@agent-lightning/core';
import type { Selection } from './select-demonstrations.ts';

/** The rollouts of one step that are imitated, and what became of the others. */
export interface StepDemonstrations {
  /** The episodes that the step's rollouts became; none where the step ran none. */
  readonly episodes: readonly Episode[];
  readonly selection: Selection;
  /** Calls whose text was encoded for the model to train, and calls that could not be. */
  readonly calls: { readonly rendered: number; readonly leftOut: number };
}

/** The place where the rollouts to imitate come from. */
export interface DemonstrationSource {
  /** Returns the rollouts that a step runs. */
  plan(step: number): Promise<readonly PlannedRollout[]>;
  /** Returns what a step imitates, given the rollouts that it ran. */
  choose(step: number, rollouts: readonly Rollout[], episodes: readonly Episode[]): Promise<StepDemonstrations>;
  /** Returns the epoch in which a step begins, from 0. */
  epochOf(step: number): number;
  /** True where somebody else than the policy answers training rollouts, so that the policy is published after every step. */
  readonly hasTeacher: boolean;
}
