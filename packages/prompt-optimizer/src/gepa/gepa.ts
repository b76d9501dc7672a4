import type { PromptTemplate } from '@agent-lightning/tracing';
import type { Algorithm, AlgorithmHost, MetricChart } from '@agent-lightning/core';
import { costOfProposal } from '../decisions/budget.ts';
import { isToBeFound, type FindPromptsOptions } from '../found/found-source.ts';
import { searchFound } from '../found/search-found.ts';
import { toTexts } from '../prompts/prompt-set.ts';
import { rehearsePrompts } from '../search/rehearse-prompts.ts';
import { splitFewTasks } from '../search/split-tasks.ts';
import { verdictWords } from '../search/verdict-words.ts';
import {
  countSteps,
  resolveGepaOptions,
  sizeSteps,
  type GepaOptions,
  type KnownGepaOptions,
  type GepaSettings,
} from './gepa-options.ts';
import { GepaRun, type GepaMetrics } from './gepa-run.ts';

const charts: readonly MetricChart[] = [
  {
    title: 'mean reward on the selection tasks',
    lines: [
      ['best prompts', 'bestScore'],
      ['prompts as they are', 'firstScore'],
    ],
  },
  { title: 'candidates', lines: [['kept', 'candidates']] },
  { title: 'proposals', lines: [['', 'proposals.*']] },
];

/**
 * Makes GEPA: a model reads what went well and wrong on a few tasks and writes a new prompt; it is kept when it does better on them, and the next
 * parent is drawn among the prompts that are best on some task. Needs no backend: the agent asks its own model.
 * @throws {ConfigurationError} `option-invalid`
 * @source arXiv:2507.19457, and gepa 0.1.4 for what the paper leaves open
 */
export function gepa(options: GepaOptions): Algorithm<GepaMetrics> {
  if (!isToBeFound(options?.prompts)) return searchKnown(options as KnownGepaOptions);
  const { prompts, budget, perfectReward = 1 } = options as GepaOptions & { prompts: 'found' | FindPromptsOptions };
  const make = (found: readonly PromptTemplate[], spent: number): Algorithm<GepaMetrics> =>
    searchKnown({ ...options, prompts: found, ...(budget !== undefined && { budget: budget - spent }) });
  return searchFound('gepa', prompts, make, perfectReward);
}

function searchKnown(options: KnownGepaOptions): Algorithm<GepaMetrics> {
  const settings = resolveGepaOptions(options);
  const { prompts, ask: _, ...others } = settings;
  return Object.freeze<Algorithm<GepaMetrics>>({
    name: 'gepa',
    config: { ...others, prompts: toTexts(prompts) },
    tasksPerStep: settings.minibatch * settings.proposals,
    countSteps: (taskCount) => countSteps(settings, taskCount),
    uses: { backend: false, samplingAhead: false, comparesSteps: true },
    models: settings.ask.model === undefined ? [] : [settings.ask.model],
    charts,
    verdictWords,
    begin: async (host) => new GepaRun(settings, host),
    rehearse: (host) => rehearsePrompts(host, settings, describeCost(settings, host)),
  });
}

function describeCost(settings: GepaSettings, { tasks, seed }: AlgorithmHost): string {
  const split = splitFewTasks('gepa', settings.selectionTasks, tasks.length, seed);
  const sizes = sizeSteps({ ...settings, budget: Infinity }, split);
  return `with these ${tasks.length} tasks, the prompts as they are cost ${sizes.selection + sizes.repeats} rollouts, and a new one from ${sizes.minibatch} (nothing to improve) to ${costOfProposal(sizes)} (accepted), more where rewards are noisy`;
}
