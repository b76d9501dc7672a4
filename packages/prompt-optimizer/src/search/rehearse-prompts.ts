import type { AlgorithmHost, Rehearsal } from '@agent-lightning/core';
import type { PromptTemplate } from '@agent-lightning/tracing';
import { keepTexts } from '../prompts/keep-texts.ts';
import { examineRewards } from './examine-rewards.ts';
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
      const rendered = findRendered(await host.readSpans(rollouts.filter(({ status }) => status === 'succeeded')));
      const unused = prompts.filter(({ name }) => !rendered.has(name));
      const { isTelling, findings } = examineRewards(episodes, perfectReward);
      return {
        ok: isTelling && unused.length === 0,
        findings: [
          ...unused.map(
            ({ name }) => `no rollout rendered the prompt "${name}"; call its render() inside the rollout function`,
          ),
          ...findings,
          cost,
        ],
      };
    },
  };
}
