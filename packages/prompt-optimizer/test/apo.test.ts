import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { countSearch, createSearch } from './capitals/apo-search.ts';
import { answerCapital, answerPrompt, capitalTasks, rateCapital } from './capitals/capital-agent.ts';

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
  ])('runs no candidate after %s', async (_, reflection, message) => {
    const search = await createSearch({ reflection });
    await search.trainer.fit({ train: capitalTasks, steps: 2 });
    expect(new Set(search.ran.map(({ prompts }) => prompts))).toEqual(new Set([answerPrompt.text]));
    expect(search.ran.filter(({ purpose }) => purpose === 'selection')).toEqual([]);
    expect(search.lines.join('\n')).toContain(message);
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
