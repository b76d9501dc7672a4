import type { Algorithm, AlgorithmHost, Rehearsal } from '@agent-lightning/core';
import { promptKit, promptTemplate, type PromptTemplate } from '@agent-lightning/tracing';
import { examineRewards } from '../search/examine-rewards.ts';
import { countTasks, findPrompts } from './find-prompts.ts';
import { describeSettings, resolveFindOptions, type FindPromptsOptions, type FindSettings } from './found-source.ts';
import { describeFound } from './found-templates.ts';
import { drawFindTasks, FoundRun, watchId } from './found-run.ts';

/** Stands for the prompts where only their number does not matter: before they are found. */
const unknown = promptTemplate('unknown', 'The prompts are found when the run has begun.');

/** Returns a search that finds the prompts in the first rollouts of a run. @param make makes the search over known prompts, with a budget that is less by the rollouts that find them */
export function searchFound<Metrics extends object>(
  owner: string,
  source: 'found' | FindPromptsOptions,
  make: (prompts: readonly PromptTemplate[], spent: number) => Algorithm<Metrics>,
  perfectReward: number,
): Algorithm<Metrics> {
  const settings = resolveFindOptions(owner, source);
  const spentOn = (taskCount: number): number => Math.min(settings.findTasks, taskCount);
  const search = (prompts: readonly PromptTemplate[], taskCount: number): Algorithm<Metrics> =>
    make(prompts, spentOn(taskCount));
  const template = make([unknown], 0);
  return Object.freeze<Algorithm<Metrics>>({
    ...template,
    config: { ...template.config, prompts: { found: describeSettings(settings) } },
    countSteps: (taskCount, parts) => search([unknown], taskCount).countSteps!(taskCount, parts),
    begin: async (host) => {
      const count = host.tasks.length;
      const ahead = await search([unknown], count).begin(host); // refuses options that do not fit the tasks, before anything runs
      return new FoundRun({ owner, settings, ahead, search: (prompts) => search(prompts, count) }, host);
    },
    rehearse: (host) => rehearse(host, settings, perfectReward),
  });
}

async function rehearse(host: AlgorithmHost, settings: FindSettings, perfectReward: number): Promise<Rehearsal> {
  await host.putResources(watchId, promptKit.toWatchResources(settings.find));
  const { agentMatch } = settings;
  return {
    resourcesId: watchId,
    examine: async (rollouts, episodes) => {
      const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
      const { prompts, calls, left } = findPrompts(succeeded, await host.readSpans(succeeded), { agentMatch });
      const { isTelling, findings } = examineRewards(episodes, perfectReward);
      const spent = drawFindTasks(settings, host.tasks.length, host.seed).length;
      return {
        ok: prompts.length > 0 && isTelling,
        findings: [
          ...prompts.map(describeFound),
          ...left,
          ...(prompts.length === 0 ? [describeNone(calls)] : []),
          ...(countTasks(succeeded) === 1
            ? ['all rollouts had one task: what varies from task to task cannot be seen; give dev several']
            : []),
          ...findings,
          `a run finds the prompts in ${spent} rollouts before it begins to search`,
        ],
      };
    },
  };
}

function describeNone(calls: number): string {
  return calls === 0
    ? 'no model call of a selected agent was seen: wrap the agent with withLightning, let agentMatch select it, and use a client that sends its calls by fetch; for an agent in another process (runCommand), give the Trainer ownModels: { openai: {} }'
    : `no prompt was found in ${calls} model calls of selected agents`;
}
