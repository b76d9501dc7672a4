import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { describe, expect, it } from 'vitest';
import { createSearch, type Search } from './capitals/apo-search.ts';
import {
  answerCapital,
  answerPrompt,
  capitalTasks,
  finishPrompt,
  rateCapital,
  scriptCritique,
} from './capitals/capital-agent.ts';

describe('apo', () => {
  it('improves several prompts', async () => {
    const search = await createSearch({ prompts: [answerPrompt, finishPrompt] });
    await search.trainer.fit({ train: capitalTasks, steps: 5 });
    const finish = await readFile(join(search.runDirectory, 'model/prompts/finish.md'), 'utf8');
    const answer = await readFile(join(search.runDirectory, 'model/prompts/answer.md'), 'utf8');
    expect([finish === finishPrompt.text, answer === answerPrompt.text]).toEqual([false, false]);
    expect((await search.metrics()).at(-1)!.bestScore).toBe(1);
  });

  it('compares the candidates of a round on the same tasks, and those of all rounds on all selection tasks', async () => {
    const search = await createSearch();
    await search.trainer.fit({ train: capitalTasks, steps: 3 });
    const rounds = Map.groupBy(
      search.ran.filter(({ purpose }) => purpose === 'selection'),
      ({ step }) => step,
    );
    for (const round of rounds.values()) {
      const byPrompt = Map.groupBy(round, ({ prompts }) => prompts);
      const tasks = [...byPrompt.values()].map((runs) => JSON.stringify(runs.map(({ task }) => Number(task)).sort()));
      expect(byPrompt.size).toBeGreaterThan(1);
      expect(new Set(tasks).size).toBe(1);
    }
    for (const purpose of ['seed', 'leader']) {
      const runs = search.ran.filter((each) => each.purpose === purpose);
      for (const group of Map.groupBy(runs, ({ prompts }) => prompts).values()) expect(group).toHaveLength(6);
    }
  });

  it('keeps versions apart that two runs in one store made', async () => {
    const store = new MemoryStore();
    for (const seed of [1, 2]) {
      const { trainer, ran } = await createSearch({ reflection: scriptCritique(seed) }, { store });
      const { runId } = await trainer.fit({ train: capitalTasks, steps: 2 });
      const { items } = await store.queryRollouts({ runId, limit: 500 });
      const versions = await Promise.all(items.map(({ resourcesId }) => store.getResources(resourcesId!)));
      const texts = versions
        .map((found) => found!.resources['answer'])
        .map((each) => each?.type === 'prompt_template' && each.template);
      expect(new Set(texts)).toEqual(new Set(ran.map(({ prompts }) => prompts)));
      for (const found of versions) expect(found!.version).toBe(1);
    }
  });

  it('compares on the tasks on which all have a reward, and counts none as 0', async () => {
    const search = await createSearch(
      {},
      { rollout: (task) => (task.city.startsWith('T') ? undefined : rateCapital(answerCapital(task))) },
    );
    await search.trainer.fit({ train: capitalTasks, steps: 2 });
    const [line] = await search.metrics();
    expect(line!.firstScore).toBe(0.25);
    expect([0.25, 0.5, 0.75, 1]).toContain(line!.leaderScore);
  });

  it('goes on after an interruption in the middle of a round, to the very same end', async () => {
    const fit = { train: capitalTasks, steps: 3 };
    const whole = await createSearch({}, { runners: 1 });
    await whole.trainer.fit(fit);
    const controller = new AbortController();
    let ended = 0;
    const first = await createSearch(
      {},
      {
        runners: 1,
        checkpointEvery: 1,
        signal: controller.signal,
        hooks: { onRolloutEnd: () => void ((ended += 1) === 50 && controller.abort()) },
      },
    );
    expect(await first.trainer.fit(fit)).toMatchObject({ stopReason: 'interrupted' });
    const { runDirectory, store } = first;
    const second = await createSearch({}, { runners: 1, runDirectory, store });
    await second.trainer.fit({ ...fit, resume: true });
    const read = async (search: Search): Promise<string> =>
      await readFile(join(search.runDirectory, 'model/candidates.json'), 'utf8');
    expect(await read(second)).toEqual(await read(whole));
  });
});
