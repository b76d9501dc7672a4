/**
 * The failures of APO in Agent Lightning 0.3 that ours does not have. Versions of two runs in one store, unfinished rollouts that count nowhere, scores of other tasks that are not compared, and
 * resuming are in apo.full.test.ts; the others are here: empty critiques and edits, a budget, rollouts side by side, the result in files, prompts of an agent that throws.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countSearch, createSearch } from './capitals/apo-search.ts';
import { answerCapital, answerPrompt, capitalTasks, rateCapital, scriptCritique } from './capitals/capital-agent.ts';

describe('apo', () => {
  it('finds better prompts, and exports them', async () => {
    const search = await createSearch();
    const result = await search.trainer.fit({ train: capitalTasks, validation: capitalTasks.slice(0, 4), steps: 8 });
    expect(result).toMatchObject({ validationBefore: 0.25, validationAfter: 1 });
    const prompt = await readFile(join(search.runDirectory, 'model/prompts/answer.md'), 'utf8');
    for (const part of ['{{country}}', 'one word', 'capital letters', 'full stop']) expect(prompt).toContain(part);
    const lines = await search.metrics();
    expect(lines.at(-1)).toMatchObject({ bestScore: 1, firstScore: 0.25, searchRollouts: countSearch(search) });
    const exported = JSON.parse(await readFile(join(search.runDirectory, 'model/candidates.json'), 'utf8')) as {
      history: { roundScore: number }[];
    };
    expect(exported.history).toHaveLength(lines.reduce((sum, { newCandidates }) => sum + newCandidates, 0));
  });

  it.each([
    [
      'an empty critique',
      async (request: string) => (request.includes('# The critique') ? 'x' : ' '),
      'the critique of "answer" is empty',
    ],
    [
      'an edit that changes nothing',
      async () => `<new_prompt>${answerPrompt.text}</new_prompt>`,
      'the new text is the old one',
    ],
    ['an edit that loses a variable', async () => 'Name it.', 'it lost {{country}}'],
    ['an empty edit', async (request: string) => (request.includes('# The critique') ? '' : 'x'), 'it is empty'],
  ])('runs no candidate after %s', async (_, reflection, message) => {
    const search = await createSearch({ reflection });
    await search.trainer.fit({ train: capitalTasks, steps: 2 });
    expect(new Set(search.ran.map(({ prompts }) => prompts))).toEqual(new Set([answerPrompt.text]));
    expect(search.ran.filter(({ purpose }) => purpose === 'selection')).toEqual([]);
    expect(search.lines.join('\n')).toContain(message);
  });

  it('runs the rollouts of a round side by side, and asks for its prompts so', async () => {
    const running = { rollouts: 0, requests: 0 };
    const most = { rollouts: 0, requests: 0 };
    /** Counts those that run at once; each waits for its turn in the event loop. */
    const count = async (kind: keyof typeof running): Promise<void> => {
      most[kind] = Math.max(most[kind], (running[kind] += 1));
      await new Promise((resolve) => setImmediate(resolve));
      running[kind] -= 1;
    };
    const critique = scriptCritique(1);
    const search = await createSearch(
      {
        reflection: async (request) => {
          await count('requests');
          return await critique(request);
        },
      },
      {
        runners: 4,
        rollout: async (task) => {
          await count('rollouts');
          return rateCapital(answerCapital(task));
        },
      },
    );
    await search.trainer.fit({ train: capitalTasks, steps: 1 });
    expect(most).toEqual({ rollouts: 4, requests: 4 });
  });

  it('takes a rollout that throws for a failure, and goes on', async () => {
    const search = await createSearch(
      {},
      {
        rollout: (task) => {
          if (task.city === 'Rome') throw new Error('no such country');
          return rateCapital(answerCapital(task));
        },
        failureReward: 0,
      },
    );
    const result = await search.trainer.fit({ train: capitalTasks, steps: 2 });
    expect(result).toMatchObject({ stopReason: 'completed', steps: 2 });
    expect((await search.metrics()).at(-1)!.newCandidates).toBeGreaterThan(0);
  });

  it('stops when its model is down', async () => {
    const { trainer } = await createSearch({
      reflection: async () => {
        throw new Error('quota exceeded');
      },
    });
    await expect(trainer.fit({ train: capitalTasks, steps: 9 })).rejects.toMatchObject({
      code: 'upstream-failed',
      message: expect.stringContaining('apo.reflection has not answered in 3 steps (no new prompt: quota exceeded)'),
    });
  });

  it('goes on after a round whose minibatches had no reward, and ends when no rollout has one for a while', async () => {
    const createSilent = async (
      isSilent: (purpose: unknown, step: number) => boolean,
    ): ReturnType<typeof createSearch> =>
      await createSearch(
        {},
        {
          rollout: (task, { rollout: { metadata } }) =>
            isSilent(metadata['purpose'], Number(metadata['step'])) ? undefined : rateCapital(answerCapital(task)),
        },
      );
    const once = await createSilent((purpose, step) => purpose === 'parent' && step === 1);
    const result = await once.trainer.fit({ train: capitalTasks, steps: 3 });
    expect(result).toMatchObject({ stopReason: 'completed', steps: 3 });
    expect((await once.metrics()).at(-1)!.newCandidates).toBeGreaterThan(0);
    const forGood = await createSilent((purpose) => purpose !== 'seed');
    await expect(forGood.trainer.fit({ train: capitalTasks, steps: 9 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining('no rollout of the last 3 steps had a reward'),
    });
  });

  it('never passes its budget, and refuses one that is too small', async () => {
    const search = await createSearch({ budget: 90 });
    expect(await search.trainer.fit({ train: capitalTasks, steps: 20 })).toMatchObject({ stopReason: 'converged' });
    expect(countSearch(search)).toBeLessThanOrEqual(90);
    expect(search.lines.join('\n')).toMatch(/the budget is spent: \d+ of 90 rollouts/);
    const small = await createSearch({ budget: 43 });
    await expect(small.trainer.fit({ train: capitalTasks })).rejects.toThrow(/apo\.budget must be at least 44/);
    expect(small.ran).toEqual([]);
  });

  it('has a dry run', async () => {
    const { trainer } = await createSearch();
    const report = await trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 });
    expect(report.ok).toBe(true);
    expect(report.findings.join('\n')).toContain('a round costs up to 22 rollouts');
  });
});
