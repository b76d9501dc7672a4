import type { Algorithm, AlgorithmHost, MetricChart, Rehearsal } from '@agent-lightning/core';
import { costOfProposal } from '../decisions/budget.ts';
import { findRendered, identifyTexts, toTexts } from '../prompts/prompt-set.ts';
import { keepTexts } from './extend-work.ts';
import {
  countSteps,
  resolveGepaOptions,
  sizeSteps,
  splitTasks,
  type GepaOptions,
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
  const settings = resolveGepaOptions(options);
  const { prompts, ask: _, ...others } = settings;
  return Object.freeze<Algorithm<GepaMetrics>>({
    name: 'gepa',
    config: { ...others, prompts: toTexts(prompts) },
    tasksPerStep: settings.minibatch * settings.proposals,
    countSteps: (taskCount) => countSteps(settings, taskCount),
    uses: { backend: false, samplingAhead: false },
    charts,
    begin: async (host) => new GepaRun(settings, host),
    rehearse: (host) => rehearse(settings, host),
  });
}

/** Runs the prompts as they are, and says whether they are used and whether rewards tell prompts apart. */
async function rehearse(settings: GepaSettings, host: AlgorithmHost): Promise<Rehearsal> {
  const texts = toTexts(settings.prompts);
  const resourcesId = identifyTexts(texts);
  await keepTexts(host, resourcesId, texts);
  return {
    resourcesId,
    examine: async (rollouts, episodes) => {
      const rewards = episodes.flatMap(({ reward }) => reward ?? []);
      const rendered = findRendered(await host.readSpans(rollouts.filter(({ status }) => status === 'succeeded')));
      const unused = settings.prompts.filter(({ name }) => !rendered.has(name));
      const isPerfect = rewards.length > 0 && rewards.every((reward) => reward >= settings.perfectReward);
      return {
        ok: rewards.length > 0 && unused.length === 0 && !isPerfect,
        findings: [
          ...unused.map(
            ({ name }) => `no rollout rendered the prompt "${name}"; call its render() inside the rollout function`,
          ),
          ...(rewards.length < episodes.length
            ? [`${episodes.length - rewards.length} of ${episodes.length} rollouts have no reward`]
            : []),
          ...(isPerfect
            ? [`every rollout has the perfect reward (gepa.perfectReward: ${settings.perfectReward})`]
            : []),
          describeCost(settings, host),
        ],
      };
    },
  };
}

function describeCost(settings: GepaSettings, host: AlgorithmHost): string {
  const sizes = sizeSteps(
    { ...settings, budget: Infinity },
    splitTasks({ ...settings, selectionTasks: undefined }, host.tasks.length, host.seed),
  );
  return `with these ${host.tasks.length} tasks, the prompts as they are cost ${sizes.selection} rollouts, and a new one from ${sizes.minibatch} (nothing to improve) to ${costOfProposal(sizes)} (accepted)`;
}
