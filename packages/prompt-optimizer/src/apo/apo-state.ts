import type { SeenRewards } from '../decisions/noise.ts';
import type { Texts } from '../candidates/candidate.ts';

/** A candidate of a run of APO. */
export interface ApoEntry {
  /** The id of the resources that hold its texts. */
  readonly id: string;
  readonly texts: Texts;
  /** The id of the candidate that it is a version of; absent for the prompts as they stand in the code. */
  readonly parent?: string;
  /** The round that made it; 0 for the prompts as they stand in the code. */
  readonly step: number;
}

/** A candidate with its rewards on all selection tasks, shape (V,). */
export interface ScoredEntry extends ApoEntry {
  readonly scores: readonly number[];
}

/** Everything that a run of APO has to remember between rounds. */
export interface ApoState {
  readonly format: 2;
  /** The best candidates of the last round, the best first. */
  readonly beam: readonly ApoEntry[];
  /** The prompts as they stand in the code; undefined before the first round. */
  readonly first?: ScoredEntry;
  /** The best candidate on all selection tasks; undefined before the first round. */
  readonly best?: ScoredEntry;
  /** The ids of the candidates that have run all selection tasks. */
  readonly scored: readonly string[];
  /** The selection tasks: those on which the first prompts have a reward. */
  readonly selection: readonly number[];
  readonly minibatches: number;
  /** The rewards of all rollouts of each candidate, by task: those of tasks that it ran again say how noisy rewards are. */
  readonly seen: SeenRewards;
  readonly spent: number;
  /** Rounds in a row in which the models answered nothing. */
  readonly failedReflections: number;
  /** Rounds in a row in which the models were asked and gave no prompt that could be run. */
  readonly barrenSteps: number;
  /** Rounds in a row in which no rollout had a reward. */
  readonly silentSteps: number;
  /** Every candidate that was compared, with its mean reward in the round that made it. */
  readonly history: readonly (ApoEntry & { readonly roundScore?: number })[];
}
