import type { Candidate } from '../candidates/candidate.ts';
import type { SeenRewards } from '../decisions/noise.ts';
import type { TriedMerges } from '../decisions/merge.ts';

/** A candidate of the pool in a run. */
export interface PoolEntry extends Candidate {
  /** The id of the resources that hold its texts. */
  readonly id: string;
  /** The step that made it; 0 for the prompts as they stand in the code. */
  readonly step: number;
  /** How often one of its prompts was chosen to be rewritten, its ancestors' choices included. */
  readonly nextComponent: number;
}

/** Everything that a run of GEPA has to remember between steps. Random numbers need no place in it: they follow from the seed and the step. */
export interface GepaState {
  readonly format: 2;
  /** Empty before the first step. */
  readonly pool: readonly PoolEntry[];
  /** The selection tasks: those on which the first candidate has a reward. */
  readonly selection: readonly number[];
  /** Minibatches drawn so far. */
  readonly minibatches: number;
  /** For each candidate, by its id, the feedback tasks on which it had the perfect reward when it last ran them. */
  readonly perfect: Readonly<Record<string, readonly number[]>>;
  /** The rewards of all rollouts of each candidate, by task: those of tasks that it ran again say how noisy rewards are. */
  readonly seen: SeenRewards;
  /** Rollouts that the search has run. */
  readonly spent: number;
  readonly acceptedMerges: number;
  readonly tried: TriedMerges;
  /** True when the last step brought a new candidate into the pool: then a merge is tried first. */
  readonly hasNew: boolean;
  /** Steps in a row in which the reflection model answered nothing. */
  readonly failedReflections: number;
  /** Steps in a row in which the reflection model was asked and gave no prompt that could be run. */
  readonly barrenSteps: number;
  /** Steps in a row in which no rollout had a reward. */
  readonly silentSteps: number;
}

/** Returns the state of a run that has done nothing. */
export function initialGepaState(selection: readonly number[]): GepaState {
  return {
    format: 2,
    pool: [],
    selection,
    minibatches: 0,
    perfect: {},
    seen: {},
    spent: 0,
    acceptedMerges: 0,
    tried: { triples: [], results: [] },
    hasNew: false,
    failedReflections: 0,
    barrenSteps: 0,
    silentSteps: 0,
  };
}
