import { check } from '@agent-lightning/core';
import { toAskModel, type AskModel, type PromptTemplate, type TextModel } from '@agent-lightning/tracing';
import type { PromptSource } from '../found/found-source.ts';
import { checkPrompts } from '../prompts/prompt-set.ts';
import { splitTasks, type TaskSplit } from '../search/split-tasks.ts';

/** The options of APO. A resumed run must have the same, but for the models. */
export interface ApoOptions {
  /**
   * The prompts to improve, of which the branches of a round rewrite one after the other: as `promptTemplate` returned them, or `'found'` for those that
   * stand in the model calls of wrapped agents, which nobody has to name; an object says which of those.
   */
  readonly prompts: PromptSource;
  /** The model that says what a prompt lacks: the textual gradient. */
  readonly reflection: TextModel;
  /** The model that writes the new version by that. @default the same */
  readonly edit?: TextModel;
  /** Candidates that a round keeps. @default 4 */
  readonly beam?: number;
  /** New candidates from each one of the beam in a round. @default 4 */
  readonly branches?: number;
  /** Tasks whose runs one critique reads. @default 4 */
  readonly minibatch?: number;
  /** Training tasks for comparing candidates; the others are those of critiques. @default half of the tasks from 8 on, else all */
  readonly selectionTasks?: number;
  /** Selection tasks on which the candidates of a round are compared, others in each round; the leader runs all. @default 16, or all where there are fewer */
  readonly beamTasks?: number;
  /** The most rollouts that the search may run, held-out tasks not counted. A round begins only when it cannot pass it. @default none */
  readonly budget?: number;
  /** The reward that cannot be better: from runs that all reach it, nothing is learned. @default 1 */
  readonly perfectReward?: number;
  /** Wishes for new prompts that every request for one repeats. @default none */
  readonly guidance?: string;
}

/** The options of a search whose prompts are known. */
export type KnownApoOptions = Omit<ApoOptions, 'prompts'> & { readonly prompts: readonly PromptTemplate[] };

export interface ApoSettings extends Required<
  Omit<KnownApoOptions, 'reflection' | 'edit' | 'budget' | 'selectionTasks' | 'guidance'>
> {
  readonly critique: AskModel;
  readonly edit: AskModel;
  readonly budget: number;
  readonly selectionTasks: number | undefined;
  readonly guidance: string | undefined;
}

const optionNames: Readonly<Record<keyof ApoOptions, true>> = {
  prompts: true,
  reflection: true,
  edit: true,
  beam: true,
  branches: true,
  minibatch: true,
  selectionTasks: true,
  beamTasks: true,
  budget: true,
  perfectReward: true,
  guidance: true,
};

/** Checks the options and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveApoOptions(options: KnownApoOptions): ApoSettings {
  check.knownOptions('apo', options, optionNames);
  const prompts = checkPrompts('apo', options.prompts);
  const { perfectReward = 1, guidance, selectionTasks } = options;
  if (!Number.isFinite(perfectReward)) throw check.optionInvalid('apo.perfectReward', perfectReward, 'a finite number');
  if (guidance !== undefined && (typeof guidance !== 'string' || guidance.trim() === ''))
    throw check.optionInvalid('apo.guidance', guidance, 'a text that is not empty');
  const critique = toAskModel('apo.reflection', options.reflection);
  return Object.freeze({
    prompts,
    critique,
    edit: options.edit === undefined ? critique : toAskModel('apo.edit', options.edit),
    beam: check.wholeNumber('apo.beam', options.beam ?? 4),
    branches: check.wholeNumber('apo.branches', options.branches ?? 4),
    minibatch: check.wholeNumber('apo.minibatch', options.minibatch ?? 4),
    beamTasks: check.wholeNumber('apo.beamTasks', options.beamTasks ?? 16),
    selectionTasks: selectionTasks === undefined ? undefined : check.wholeNumber('apo.selectionTasks', selectionTasks),
    budget: options.budget === undefined ? Infinity : check.wholeNumber('apo.budget', options.budget),
    perfectReward,
    guidance,
  });
}

/** Returns the most rollouts that a round can take. @param isFirst true for the round that also runs the prompts as they are */
export function costOfRound(settings: ApoSettings, { feedback, selection }: TaskSplit, isFirst: boolean): number {
  const { beam, branches, minibatch, beamTasks } = settings;
  const proposals = beam * branches;
  const compared = Math.min(beamTasks, selection.length);
  return (
    proposals * Math.min(minibatch, feedback.length) +
    (beam + proposals) * compared +
    selection.length * (isFirst ? 2 : 1)
  );
}

/** Checks that the budget can pay for a first round. @throws {ConfigurationError} `option-invalid` */
export function checkBudget(settings: ApoSettings, taskCount: number, seed: number): void {
  const first = costOfRound(settings, splitTasks('apo', settings.selectionTasks, taskCount, seed), true);
  if (settings.budget < first)
    throw check.optionInvalid(
      'apo.budget',
      settings.budget,
      `at least ${first}, the most that the first round can cost`,
    );
}
