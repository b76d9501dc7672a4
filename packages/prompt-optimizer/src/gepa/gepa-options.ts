import { check } from '@agent-lightning/core';
import { toAskModel, type AskModel, type PromptTemplate, type TextModel } from '@agent-lightning/tracing';
import type { Frontier } from '../candidates/pareto-front.ts';
import type { AcceptanceRule } from '../decisions/acceptance.ts';
import { costOfProposal, mostSteps, type StepSizes } from '../decisions/budget.ts';
import type { ComponentRule } from '../decisions/components.ts';
import type { PromptSource } from '../found/found-source.ts';
import { checkPrompts } from '../prompts/prompt-set.ts';
import { splitTasks, type TaskSplit } from '../search/split-tasks.ts';

/** The options of GEPA. A resumed run must have the same, but for `reflection`. */
export interface GepaOptions {
  /**
   * The prompts to improve: as `promptTemplate` returned them, or `'found'` for those that stand in the model calls of wrapped agents, which nobody has to
   * name; an object says which of those.
   */
  readonly prompts: PromptSource;
  /** The model that writes new prompts from what went well and wrong: a server, or a function around any model. */
  readonly reflection: TextModel;
  /**
   * The most rollouts that the search may run, those of `fit`'s held-out tasks not counted. A step begins only when it cannot pass it.
   * @default none; the steps of `fit` end the run, by default after 20 proposals
   */
  readonly budget?: number;
  /** Tasks on which a new prompt is compared with its parent; up to nine times as many where rewards are noisy. @default 3 */
  readonly minibatch?: number;
  /** New prompts that a step proposes, each on a minibatch of its own; their rollouts run at once. @default 1 */
  readonly proposals?: number;
  /**
   * Training tasks on which accepted prompts are compared with each other; the others are those of the minibatches. As many as there are
   * tasks: all are used for both. @default half of the tasks from 8 on, else all
   */
  readonly selectionTasks?: number;
  /** The prompts that a proposal rewrites: one after the other, or all at once. @default 'round-robin' */
  readonly components?: ComponentRule;
  /** Says when a new prompt is accepted on its minibatch. @default 'improvement' */
  readonly acceptance?: AcceptanceRule;
  /**
   * Says in what a prompt has to be the best to become a parent: on a `task`, in a `dimension` of the reward, in one of both (`hybrid`), or in a dimension on a task (`cartesian`). Those with
   * dimensions need rollouts that return several, such as `{ right: 1, short: 0.4 }`. @default 'task'
   */
  readonly frontier?: Frontier;
  /** The most merges of two candidates that are accepted. @default 5 with several prompts, 0 with one */
  readonly merges?: number;
  /** The reward that cannot be better: from a minibatch on which all rewards reach it, nothing is learned. @default 1 */
  readonly perfectReward?: number;
  /** Wishes for new prompts that every request to the reflection model repeats, such as what must not change. @default none */
  readonly guidance?: string;
}

/** The options of a search whose prompts are known. */
export type KnownGepaOptions = Omit<GepaOptions, 'prompts'> & { readonly prompts: readonly PromptTemplate[] };

export interface GepaSettings extends Required<
  Omit<KnownGepaOptions, 'reflection' | 'budget' | 'selectionTasks' | 'guidance'>
> {
  readonly ask: AskModel;
  readonly budget: number;
  readonly selectionTasks: number | undefined;
  readonly guidance: string | undefined;
}

const optionNames: Readonly<Record<keyof GepaOptions, true>> = {
  prompts: true,
  reflection: true,
  budget: true,
  minibatch: true,
  proposals: true,
  selectionTasks: true,
  components: true,
  acceptance: true,
  frontier: true,
  merges: true,
  perfectReward: true,
  guidance: true,
};

/** Checks the options and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveGepaOptions(options: KnownGepaOptions): GepaSettings {
  check.knownOptions('gepa', options, optionNames);
  const prompts = checkPrompts('gepa', options.prompts);
  const { perfectReward = 1, guidance } = options;
  if (!Number.isFinite(perfectReward))
    throw check.optionInvalid(
      'gepa.perfectReward',
      perfectReward,
      'a finite number; leave it out where no reward is perfect',
    );
  if (guidance !== undefined && (typeof guidance !== 'string' || guidance.trim() === ''))
    throw check.optionInvalid('gepa.guidance', guidance, 'a text that is not empty');
  return Object.freeze({
    prompts,
    ask: toAskModel('gepa.reflection', options.reflection),
    budget: options.budget === undefined ? Infinity : check.wholeNumber('gepa.budget', options.budget),
    minibatch: check.wholeNumber('gepa.minibatch', options.minibatch ?? 3),
    proposals: check.wholeNumber('gepa.proposals', options.proposals ?? 1),
    selectionTasks:
      options.selectionTasks === undefined
        ? undefined
        : check.wholeNumber('gepa.selectionTasks', options.selectionTasks),
    components: check.oneOf('gepa.components', options.components ?? 'round-robin', ['round-robin', 'all']),
    acceptance: check.oneOf('gepa.acceptance', options.acceptance ?? 'improvement', [
      'improvement',
      'improvement-or-equal',
    ]),
    frontier: check.oneOf('gepa.frontier', options.frontier ?? 'task', ['task', 'dimension', 'hybrid', 'cartesian']),
    merges: check.wholeNumber('gepa.merges', options.merges ?? (prompts.length > 1 ? 5 : 0), 0),
    perfectReward,
    guidance,
  });
}

/** The most selection tasks that the prompts as they are run twice. */
const mostRepeats = 8;

/** Returns the sizes of a step. @throws {ConfigurationError} `option-invalid` when the budget cannot pay for the first one */
export function sizeSteps(settings: GepaSettings, { feedback, selection }: TaskSplit): StepSizes {
  const { budget, minibatch, proposals } = settings;
  const sizes = {
    minibatch: Math.min(minibatch, feedback.length),
    selection: selection.length,
    repeats: Math.min(mostRepeats, selection.length),
    proposals,
  };
  const first = sizes.selection + sizes.repeats + costOfProposal(sizes);
  if (budget < first)
    throw check.optionInvalid(
      'gepa.budget',
      budget,
      `at least ${first}, what the first step can cost: ${sizes.selection} + ${sizes.repeats} rollouts of the prompts as they are, then 2 × ${sizes.minibatch} + ${sizes.selection} for a new one`,
    );
  return sizes;
}

/** Proposals of a run without a budget whose `fit` names no steps. */
const defaultProposals = 20;

/** Returns the steps of a run whose `fit` names none: as many as the budget could pay for, or 20 proposals without one. */
export function countSteps(settings: GepaSettings, taskCount: number): number {
  const sizes = sizeSteps(settings, splitTasks('gepa', settings.selectionTasks, taskCount, 0));
  const { budget, proposals } = settings;
  return budget === Infinity ? Math.ceil(defaultProposals / proposals) : mostSteps(budget, sizes);
}
