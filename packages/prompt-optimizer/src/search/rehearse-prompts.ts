import type { AlgorithmHost, Rehearsal } from '@agent-lightning/core';
import type { PromptTemplate } from '@agent-lightning/tracing';
import { keepTexts } from '../prompts/keep-texts.ts';
import { findRendered, identifyTexts, toTexts } from '../prompts/prompt-set.ts';

/** Runs the prompts as they are, and says whether they are used and whether rewards could tell better ones. @param cost a sentence on what a run costs */
export async function rehearsePrompts(
  host: AlgorithmHost,
  { prompts, perfectReward }: { readonly prompts: readonly PromptTemplate[]; readonly perfectReward: number },
  cost: string,
): Promise<Rehearsal> {
  const texts = toTexts(prompts);
  const resourcesId = identifyTexts(texts);
  await keepTexts(host, resourcesId, texts);
  return {
    resourcesId,
    examine: async (rollouts, episodes) => {
      const rewards = episodes.flatMap(({ reward }) => reward ?? []);
      const rendered = findRendered(await host.readSpans(rollouts.filter(({ status }) => status === 'succeeded')));
      const unused = prompts.filter(({ name }) => !rendered.has(name));
      const isPerfect = rewards.length > 0 && rewards.every((reward) => reward >= perfectReward);
      const silent = episodes.length - rewards.length;
      return {
        ok: rewards.length > 0 && unused.length === 0 && !isPerfect,
        findings: [
          ...unused.map(
            ({ name }) => `no rollout rendered the prompt "${name}"; call its render() inside the rollout function`,
          ),
          ...(silent > 0 ? [`${silent} of ${episodes.length} rollouts have no reward`] : []),
          ...(isPerfect ? [`every rollout has the perfect reward, ${perfectReward}: there is nothing to improve`] : []),
          cost,
        ],
      };
    },
  };
}
