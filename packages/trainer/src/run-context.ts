import type { Episode, Loss } from '@agent-lightning/core';
import type { ResolvedFitOptions } from './fit-options.ts';
import type { PolicySet } from './grpo/policies/policy-set.ts';
import type { Progress, RolloutCollector, RunDirectory, Session } from '@agent-lightning/run';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

/** What the parts of one run share. */
export interface RunContext<Task> {
  readonly options: ResolvedTrainerOptions<Task>;
  readonly fit: ResolvedFitOptions<Task>;
  readonly session: Session<Task>;
  readonly policies: PolicySet;
  readonly collector: RolloutCollector;
  readonly directory: RunDirectory;
  readonly progress: Progress;
  /** The longest row that the backend trains, in tokens. */
  readonly maxRowTokens: number;
  /** The losses that the backend builds in. */
  readonly losses: readonly Loss['name'][];
  /** Aborts when the user interrupts the run. */
  readonly interrupted: AbortSignal;
  /** Aborts on an interruption, and when the runner cannot go on. */
  readonly stopping: AbortSignal;
}

/** The kind of an episode's task, when the run sorts tasks by kind. */
export function kindReader<Task>({
  taskKind,
}: ResolvedTrainerOptions<Task>): ((episode: Episode) => string) | undefined {
  return taskKind === undefined ? undefined : (episode) => taskKind(episode.rollout.input as Task);
}
