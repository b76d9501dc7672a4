import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TrainingResult } from '@agent-lightning/trainer';
import { describe, expect, it } from 'vitest';
import { promptTemplate, type GepaOptions } from '../src/index.ts';
import { answerCapital, answerPrompt, capitalTasks, finishPrompt, rateCapital } from './capitals/capital-agent.ts';
import { createSearch, searchRollouts, type Search } from './capitals/gepa-search.ts';

async function readPrompt(runDirectory: string, name: string): Promise<string> {
  const prompts = await readFile(join(runDirectory, 'model/prompts.json'), 'utf8');
  return (JSON.parse(prompts) as Record<string, string>)[name]!;
}

describe('gepa', () => {
  it('finds better prompts, and exports them', async () => {
    const search = await createSearch();
    const result: TrainingResult = await search.trainer.fit({
      train: capitalTasks,
      validation: capitalTasks,
      steps: 25,
      verdict: { samples: 1, step: 'last' },
    });
    expect(result).toMatchObject({ validationBefore: 0.25, validationAfter: 1, stopReason: 'converged' });
    expect(result.verdict).toMatchObject({ answer: 'better', gain: 0.75 });
    const prompt = await readPrompt(search.runDirectory, 'answer');
    for (const part of ['{{country}}', 'one word', 'capital letters', 'full stop']) expect(prompt).toContain(part);
    expect(prompt).not.toContain('Greet');
    const lines = await search.metrics();
    expect(lines.at(-1)).toMatchObject({ bestScore: 1, firstScore: 0.25 });
    expect(lines.at(-1)!.searchRollouts).toBe(searchRollouts(search));
    expect(await readFile(join(search.runDirectory, 'report.html'), 'utf8')).toContain(
      'mean reward on the selection tasks',
    );
  });

  it('keeps each candidate as resources of its own, and says with which each rollout ran', async () => {
    const { trainer, store, ran } = await createSearch();
    const { runId } = await trainer.fit({ train: capitalTasks, steps: 8 });
    const { items } = await store.queryRollouts({ runId, limit: 500 });
    const texts = new Map<string, string>();
    for (const { resourcesId } of items) {
      const version = await store.getResources(resourcesId!);
      expect(version).toMatchObject({ version: 1 });
      const { answer } = version!.resources;
      texts.set(resourcesId!, answer?.type === 'prompt_template' ? answer.template : '');
    }
    expect(texts.size).toBeGreaterThan(3);
    expect(new Set(texts.values())).toEqual(new Set(ran.map(({ prompts }) => prompts)));
  });

  it('never passes its budget, and says when it is spent', async () => {
    for (const budget of [24, 53]) {
      const search = await createSearch({
        budget,
        proposals: 2,
        reflection: async () => '<new_prompt>{{country}}</new_prompt>',
      });
      const result = await search.trainer.fit({ train: capitalTasks });
      expect(searchRollouts(search)).toBeLessThanOrEqual(budget);
      expect(result.stopReason).toBe('converged');
      expect(search.lines.join('\n')).toMatch(/the budget is spent: \d+ of \d+ rollouts/);
    }
  });

  it('merges candidates that improved different prompts', async () => {
    const search = await createSearch(
      {
        prompts: [answerPrompt, finishPrompt],
        proposals: 2,
        reflection: async (request) =>
          request.includes('The prompt "answer"')
            ? `<new_prompt>${answerPrompt.text} Write in capital letters.</new_prompt>`
            : `<new_prompt>${finishPrompt.text} End with a full stop.</new_prompt>`,
      },
      {
        rollout: (task) => {
          const answer = answerCapital(task);
          return capitalTasks.findIndex(({ city }) => city === task.city) % 2 === 0
            ? answer === answer.toUpperCase()
            : answer.endsWith('.');
        },
      },
    );
    await search.trainer.fit({ train: capitalTasks, steps: 3 });
    const fates = (await search.metrics()).map(({ proposals }) => proposals);
    expect(fates.slice(0, 2)).toEqual([{ accepted: 2 }, { merged: 1 }]);
    expect(await readPrompt(search.runDirectory, 'answer')).toContain('capital letters');
    expect(await readPrompt(search.runDirectory, 'finish')).toContain('full stop');
    const exported = await readFile(join(search.runDirectory, 'model/candidates.json'), 'utf8');
    expect(JSON.parse(exported)).toMatchObject({
      candidates: [{}, { parents: [0] }, { parents: [0] }, { parents: [1, 2], score: 1 }],
    });
  });

  it('goes on after an interruption in the middle of a step, to the very same end', async () => {
    const fit = { train: capitalTasks, steps: 6 };
    const readCandidates = async ({ runDirectory }: Search): Promise<string> =>
      await readFile(join(runDirectory, 'model/candidates.json'), 'utf8');
    const whole = await createSearch({ prompts: [answerPrompt, finishPrompt] }, { runners: 1 });
    await whole.trainer.fit(fit);
    for (const stopAfter of [26]) {
      const controller = new AbortController();
      const first = await createSearch(
        { prompts: [answerPrompt, finishPrompt] },
        {
          runners: 1,
          signal: controller.signal,
          hooks: { onRolloutEnd: () => void (++ended === stopAfter && controller.abort()) },
        },
      );
      let ended = 0;
      expect(await first.trainer.fit(fit)).toMatchObject({ stopReason: 'interrupted' });
      const { runDirectory, store } = first;
      const second = await createSearch({ prompts: [answerPrompt, finishPrompt] }, { runners: 1, runDirectory, store });
      await second.trainer.fit({ ...fit, resume: true });
      expect(await readCandidates(second)).toEqual(await readCandidates(whole));
    }
  });

  it('ends while its model has not answered, and goes on from there', async () => {
    const controller = new AbortController();
    const reflection = (): Promise<string> => {
      controller.abort();
      return new Promise(() => {});
    };
    const first = await createSearch({ reflection }, { signal: controller.signal });
    expect(await first.trainer.fit({ train: capitalTasks, steps: 3 })).toMatchObject({ stopReason: 'interrupted' });
    const { runDirectory, store } = first;
    const second = await createSearch({}, { runDirectory, store });
    await second.trainer.fit({ train: capitalTasks, steps: 3, resume: true });
    expect(await second.metrics()).toHaveLength(3);
  });

  it('does not run a prompt that lost or invented a variable', async () => {
    const answers = ['Name it.', 'Name the capital of {{country}} for {{reader}}.', '   '];
    const search = await createSearch({ reflection: async () => `<new_prompt>${answers.shift() ?? ''}</new_prompt>` });
    await search.trainer.fit({ train: capitalTasks, steps: 3 });
    expect(search.ran.filter(({ purpose }) => purpose === 'child')).toEqual([]);
    const told = search.lines.join('\n');
    for (const fault of ['it lost {{country}}', 'it invented {{reader}}', 'it is empty']) expect(told).toContain(fault);
    expect((await search.metrics()).map(({ proposals }) => proposals)).toEqual(Array(3).fill({ rejected: 1 }));
  });

  it('runs no prompt a second time: neither the one it has, nor one of the pool', async () => {
    const search = await createSearch({ reflection: async () => `<new_prompt>${answerPrompt.text}</new_prompt>` });
    await search.trainer.fit({ train: capitalTasks, steps: 2 });
    expect(search.ran.filter(({ purpose }) => purpose === 'child')).toEqual([]);
    expect(search.lines.join('\n')).toContain('the new text is the old one');
  });

  it('stops when the reflection model is down, and goes on when it answers again', async () => {
    const search = await createSearch({
      reflection: async () => {
        throw new Error('quota exceeded');
      },
    });
    const fit = { train: capitalTasks, steps: 12 };
    await expect(search.trainer.fit(fit)).rejects.toMatchObject({
      code: 'upstream-failed',
      message: expect.stringContaining('has not answered in 3 steps (no new prompt: quota exceeded)'),
    });
    expect(searchRollouts(search)).toBe(6 + 6 + 3 * 3);
    const { runDirectory, store } = search;
    const again = await createSearch({}, { runDirectory, store });
    expect((await again.trainer.fit({ ...fit, resume: true })).steps).toBeGreaterThan(3);
    expect((await again.metrics()).at(-1)!.bestScore).toBeGreaterThan(0.25);
  });

  it('is not resumed with other prompts', async () => {
    const { trainer, runDirectory, store } = await createSearch();
    await trainer.fit({ train: capitalTasks, steps: 1 });
    const other = promptTemplate('answer', 'Which city governs {{country}}?');
    const { trainer: changed } = await createSearch({ prompts: [other] }, { runDirectory, store });
    await expect(changed.fit({ train: capitalTasks, steps: 2, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('algorithm.prompts'),
    });
  });

  it('ends again when a search that has converged is resumed', async () => {
    const { trainer, runDirectory, store } = await createSearch();
    expect(await trainer.fit({ train: capitalTasks, steps: 30 })).toMatchObject({ stopReason: 'converged' });
    const again = await createSearch({}, { runDirectory, store });
    expect(await again.trainer.fit({ train: capitalTasks, steps: 40, resume: true })).toMatchObject({
      stopReason: 'converged',
    });
    expect(searchRollouts(again)).toBe(0);
  });

  it('names a prompt that no rollout renders', async () => {
    const { trainer } = await createSearch({ prompts: [answerPrompt, promptTemplate('forgotten', 'Never used.')] });
    await expect(trainer.fit({ train: capitalTasks, steps: 2 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining('rendered the prompt "forgotten"'),
    });
  });

  it('shows the reflection model the feedback, the task and the failure of a run', async () => {
    const requests: string[] = [];
    const { trainer } = await createSearch(
      {
        reflection: async (request) => `<new_prompt>${String(requests.push(request))} {{country}}</new_prompt>`,
        guidance: 'Stay polite.',
      },
      {
        rollout: (task) => {
          if (task.country === 'France') throw new Error('no such country');
          return rateCapital(answerCapital(task));
        },
        failureReward: 0,
      },
    );
    await trainer.fit({ train: capitalTasks.slice(0, 3), steps: 1 });
    const [request] = requests;
    for (const part of [
      '{"country":"Italy","city":"Rome"}',
      'no full stop',
      'no such country',
      'Stay polite.',
      'Keep all of them',
    ])
      expect(request).toContain(part);
  });

  it('leaves selection tasks without a reward out, and never counts them as 0', async () => {
    const search = await createSearch(
      {},
      { rollout: (task) => (task.city === 'Rome' ? undefined : rateCapital(answerCapital(task))) },
    );
    await search.trainer.fit({ train: capitalTasks.slice(0, 6), steps: 6 });
    expect(search.lines.join('\n')).toContain('1 of 6 selection tasks had no reward');
    expect((await search.metrics()).at(-1)).toMatchObject({ firstScore: 0.25 });
  });

  it('has a dry run that says what a step costs, and which prompt is not used', async () => {
    const { trainer } = await createSearch();
    const report = await trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 });
    expect(report).toMatchObject({ ok: true, rewards: [0.25, 0.25, 0.25, 0.25] });
    expect(report.findings.join('\n')).toContain('a new one from 2 (nothing to improve) to 6 (accepted)');
    const fewer = await createSearch({ selectionTasks: 1, minibatch: 1 });
    const { findings } = await fewer.trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 });
    expect(findings.join('\n')).toContain('a new one from 1 (nothing to improve) to 3 (accepted)');
    const many = await createSearch({ selectionTasks: 9 });
    expect(await many.trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 })).toMatchObject({ ok: true });
    const { trainer: other } = await createSearch({ prompts: [promptTemplate('forgotten', 'Never used.')] });
    expect(await other.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 })).toMatchObject({ ok: false });
  });

  it.each([
    [{ prompts: [] }, /gepa\.prompts must be an array of prompts/],
    [{ prompts: [answerPrompt, answerPrompt] }, /a prompt whose name no other one has; got answer/],
    [{ prompts: ['text'] as never }, /gepa\.prompts\[0\] must be what promptTemplate/],
    [{ minibatch: 0 }, /gepa\.minibatch must be a whole number from 1/],
    [{ components: 'some' as never }, /gepa\.components must be one of round-robin, all/],
    [{ reflection: {} as never }, /gepa\.reflection\.baseUrl/],
    [{ budgets: 3 } as never, /gepa has no option "budgets"; did you mean "budget"/],
  ] satisfies [Partial<GepaOptions>, RegExp][])('refuses %o', async (options, message) => {
    await expect(createSearch(options)).rejects.toThrow(message);
  });

  it('refuses a budget that is smaller than the first step, before anything runs', async () => {
    const search = await createSearch({ budget: 23 });
    await expect(search.trainer.fit({ train: capitalTasks })).rejects.toThrow(
      /gepa\.budget must be at least 24, .*6 \+ 6 rollouts of the prompts as they are, then 2 × 3 \+ 6/,
    );
    expect(search.ran).toEqual([]);
  });
});
