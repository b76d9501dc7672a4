import type { PromptTemplate } from '@agent-lightning/tracing';
import type { Algorithm, MetricChart } from '@agent-lightning/core';
import { isToBeFound, type FindPromptsOptions } from '../found/found-source.ts';
import { searchFound } from '../found/search-found.ts';
import { toTexts } from '../prompts/prompt-set.ts';
import { rehearsePrompts } from '../search/rehearse-prompts.ts';
import { splitFewTasks } from '../search/split-tasks.ts';
import { verdictWords } from '../search/verdict-words.ts';
import { checkBudget, costOfRound, resolveApoOptions, type ApoOptions, type KnownApoOptions } from './apo-options.ts';
import { ApoRun, type ApoMetrics } from './apo-run.ts';

const charts: readonly MetricChart[] = [
  {
    title: 'mean reward on the selection tasks',
    lines: [
      ['best prompts', 'bestScore'],
      ['prompts as they are', 'firstScore'],
    ],
  },
  { title: 'new candidates of a round', lines: [['new', 'newCandidates']] },
];

/** Rounds of a run whose `fit` names no steps. */
const defaultRounds = 3;

/**
 * Makes APO: a model says what a prompt lacks (the textual gradient), a model edits the prompt by that, and a beam keeps the best. A step is a round.
 * Needs no backend: the agent asks its own model.
 * @throws {ConfigurationError} `option-invalid`
 * @source arXiv:2305.03495, as Agent Lightning 0.3 has it
 */
export function apo(options: ApoOptions): Algorithm<ApoMetrics> {
  if (!isToBeFound(options?.prompts)) return searchKnown(options as KnownApoOptions);
  const { prompts, budget, perfectReward = 1 } = options as ApoOptions & { prompts: 'found' | FindPromptsOptions };
  const make = (found: readonly PromptTemplate[], spent: number): Algorithm<ApoMetrics> =>
    searchKnown({ ...options, prompts: found, ...(budget !== undefined && { budget: budget - spent }) });
  return searchFound('apo', prompts, make, perfectReward);
}

function searchKnown(options: KnownApoOptions): Algorithm<ApoMetrics> {
  const settings = resolveApoOptions(options);
  const { prompts, critique: _, edit: __, ...others } = settings;
  return Object.freeze<Algorithm<ApoMetrics>>({
    name: 'apo',
    config: { ...others, prompts: toTexts(prompts) },
    tasksPerStep: settings.beam * settings.branches * settings.minibatch,
    countSteps: (taskCount) => {
      checkBudget(settings, taskCount, 0);
      return defaultRounds;
    },
    uses: { backend: false, samplingAhead: false, comparesSteps: true },
    models: [settings.critique, settings.edit].flatMap(({ model }) => model ?? []),
    charts,
    verdictWords,
    begin: async (host) => new ApoRun(settings, host),
    rehearse: async (host) => {
      const { length } = host.tasks;
      const split = splitFewTasks('apo', settings.selectionTasks, length, host.seed);
      const cost = costOfRound(settings, split, false);
      return await rehearsePrompts(host, settings, `with these ${length} tasks, a round costs up to ${cost} rollouts`);
    },
  });
}
