/**
 * A fault of a run that its metrics show, such as a policy whose entropy is gone. Each ailment is one small pure function of the
 * metrics so far; the trainer asks all of them after each step.
 */
export interface Ailment<Line extends object = object> {
  /** The name in metrics and documents, such as `entropy-collapse`; no other ailment has it. */
  readonly code: string;
  /** Looks for the ailment after the newest step; undefined when the run does not have it. */
  detect(history: RunHistory<Line>): Finding | undefined;
}

/** The result of a detector. */
export interface Finding {
  /** Says in one sentence what is wrong, with its numbers, and what to do. */
  readonly message: string;
  /** Measures how bad it is, above 0 and in a unit of the ailment's own; the user is told again when it has grown by half. */
  readonly size: number;
  /** Tells apart what has the same ailment for different reasons, such as the name of a policy. @default '' */
  readonly cause?: string;
}

/** The metrics of a run, as much as detectors need: its size does not grow with the run. */
export interface RunHistory<Line extends object = object> {
  /** The lines of the first steps, oldest first. */
  readonly first: readonly Line[];
  /** The lines of the newest steps, oldest first; in a short run these are among the first as well. */
  readonly recent: readonly Line[];
  /** The first validation and the newest ones, oldest first; step 0 is before training. */
  readonly heldOut: readonly HeldOutPoint[];
  /** The lowest and the highest reward of a training rollout so far; undefined before the first. */
  readonly rewardRange: readonly [lowest: number, highest: number] | undefined;
  /** The lowest and the highest of them that were earned, without the rewards of failures; undefined before the first. */
  readonly earnedRange: readonly [lowest: number, highest: number] | undefined;
  readonly facts: RunFacts;
}

/** The result of a validation. */
export interface HeldOutPoint {
  readonly step: number;
  readonly reward: number;
  /** The rollouts that count in the mean. */
  readonly rollouts: number;
}

/** The facts of a run that are known before its first step. */
export interface RunFacts {
  /** True when each rollout has the reward of another one, so that nothing can be learned from it. */
  readonly isControl: boolean;
  /** The number of validation tasks. */
  readonly heldOutTasks: number;
  /** Validation tasks that are training tasks as well, as JSON. */
  readonly sharedTasks: readonly string[];
}
