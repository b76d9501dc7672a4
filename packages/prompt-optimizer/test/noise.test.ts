import { seededRandom, type Rollout } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { answerPrompt, capitalTasks, type CapitalTask } from './capitals/capital-agent.ts';
import { createSearch as createApo } from './capitals/apo-search.ts';
import { createSearch, searchRollouts } from './capitals/gepa-search.ts';

const tasks = Array.from({ length: 40 }, (_, index) => ({ ...capitalTasks[0]!, city: `city ${index}` }));
const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'];

/** Adds a word to the prompt of a request, another one each time. */
function scriptWords(): (request: string) => Promise<string> {
  let requests = 0;
  return async (request) => {
    const [, current] = /as it is now\n\n([\s\S]*?)\n\n# /.exec(request)!;
    return `<new_prompt>${current} ${words[(requests += 1) % words.length]} ${requests}</new_prompt>`;
  };
}

/** Flips a coin for a rollout, whatever its prompt says. */
function flipCoin({ country }: CapitalTask, { rollout: { mode, metadata } }: { readonly rollout: Rollout }): number {
  answerPrompt.render({ country });
  return seededRandom(5, `coin/${mode}/${JSON.stringify(metadata)}`)() < 0.5 ? 1 : 0;
}

describe('where rewards are noise, gepa', () => {
  it('compares on more tasks, keeps few prompts, stays within its budget, and says that none is better', async () => {
    const search = await createSearch({ budget: 400, reflection: scriptWords() }, { rollout: flipCoin, seed: 3 });
    const result = await search.trainer.fit({
      train: tasks,
      validation: capitalTasks,
      verdict: { samples: 1, step: 'last' },
    });
    const lines = await search.metrics();
    expect(lines.at(-1)!.noise).toBeCloseTo(0.5, 1);
    expect(lines.at(-1)!.searchRollouts).toBeLessThanOrEqual(400);
    const accepted = lines.filter(({ proposals }) => proposals.accepted === 1).length;
    expect(lines.length).toBeGreaterThan(5);
    expect(accepted).toBeLessThanOrEqual(lines.length / 4); // gepa accepts 42 of 100
    const { items } = await search.store.queryRollouts({ runId: result.runId, limit: 1000 });
    const compared = Map.groupBy(
      items.filter(({ metadata }) => metadata['purpose'] === 'child'),
      ({ metadata }) => metadata['step'],
    );
    const sizes = [...compared.values()].map(({ length }) => length);
    expect(new Set(sizes)).toEqual(new Set([3, 9, 20]));
    expect(result.verdict).toMatchObject({ answer: 'cannot-tell' });
    expect(result.verdict!.words).toBe('no prompt was better than yours, as far as these tasks can tell');
  });

  it('runs nothing again for the verdict when it keeps the prompts as they are', async () => {
    const search = await createSearch({ reflection: async () => `<new_prompt>${answerPrompt.text}</new_prompt>` });
    const result = await search.trainer.fit({
      train: capitalTasks,
      validation: capitalTasks,
      steps: 2,
      verdict: { samples: 3, step: 'last' },
    });
    expect(result.verdict).toMatchObject({ answer: 'cannot-tell', gain: 0, candidate: { rollouts: 36 } });
    const { items } = await search.store.queryRollouts({ runId: result.runId, modes: ['test'], limit: 100 });
    expect(items).toHaveLength(36);
  });
});

it('where rewards are noise, apo keeps the prompts as they are', async () => {
  const search = await createApo(
    {
      reflection: async (request) =>
        request.includes('# The critique') ? `<new_prompt>{{country}} ${request.length}</new_prompt>` : 'x',
      beamTasks: 8,
    },
    { rollout: flipCoin, seed: 3 },
  );
  await search.trainer.fit({ train: tasks, steps: 4 });
  const { noise, bestScore, firstScore } = (await search.metrics()).at(-1)!;
  expect(noise).toBeCloseTo(0.5, 1);
  expect(bestScore).toBe(firstScore);
});

it('a noisy search that cannot pay for more tasks decides by those that it has', async () => {
  for (const budget of [60, 75, 90]) {
    const search = await createSearch(
      { budget, proposals: 2, reflection: scriptWords() },
      { rollout: flipCoin, seed: budget },
    );
    await search.trainer.fit({ train: capitalTasks });
    expect(searchRollouts(search)).toBeLessThanOrEqual(budget);
  }
});
