/** The reply of `/api/runs/:run/prompts`: what a search over prompts found. */
export interface PromptSearch {
  /** `gepa` or `apo`. */
  readonly algorithm: string;
  /** The place that the candidates come from: the result of a run that ended, its newest checkpoint, or neither is there yet. */
  readonly source: 'result' | 'checkpoint' | 'none';
  /** The step of the checkpoint. */
  readonly step?: number;
  /** The tasks by which candidates are compared, by their numbers; the scores of a candidate are in this order. */
  readonly selection: readonly number[];
  /** The names of the dimensions of the reward, where it has several. */
  readonly dimensions: readonly string[];
  /** The candidates, the first one being the prompts as they stand in the code. */
  readonly candidates: readonly PromptCandidate[];
}

/** A set of prompts that was compared. */
export interface PromptCandidate {
  readonly id: string;
  /** The step that made it; 0 for the prompts as they stand in the code. */
  readonly step: number;
  readonly parents: readonly string[];
  readonly texts: Readonly<Record<string, string>>;
  /** The mean reward, on all selection tasks or on those of its round. */
  readonly score?: number;
  /** The reward on each selection task. */
  readonly scores?: readonly number[];
  /** The mean of each dimension of the reward. */
  readonly means?: Readonly<Record<string, number>>;
  /** The selection tasks on which no other one is better, and those of them on which it alone is the best. */
  readonly leads?: number;
  readonly leadsAlone?: number;
  /** True when no other one is at least as good in every dimension and better in one; where there are several. */
  readonly isUndominated?: boolean;
  /** True for the result of a run that ended, or the highest score so far. */
  readonly isBest: boolean;
}
