import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer, type StepMetrics, type TrainerOptions } from '@agent-lightning/trainer';
import { afterEach, describe, expect, it } from 'vitest';
import { apo, type ApoMetrics, type ApoOptions } from '../src/index.ts';
import {
  answerCapital,
  answerPrompt,
  capitalTasks,
  finishPrompt,
  rateCapital,
  scriptCritique,
  type CapitalTask,
} from './capitals/capital-agent.ts';

type Line = StepMetrics & ApoMetrics;

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

interface Search {
  readonly trainer: Trainer<CapitalTask, ApoMetrics>;
  readonly lines: string[];
  readonly runDirectory: string;
  readonly store: MemoryStore;
  readonly ran: {
    readonly purpose: unknown;
    readonly prompts: string;
    readonly task: unknown;
    readonly step: unknown;
  }[];
  metrics(): Promise<readonly Line[]>;
}

async function createSearch(
  algorithm: Partial<ApoOptions> = {},
  options: Partial<TrainerOptions<CapitalTask, ApoMetrics>> & { readonly store?: MemoryStore } = {},
): Promise<Search> {
  const folder = await mkdtemp(join(tmpdir(), 'apo-'));
  folders.push(folder);
  const runDirectory = options.runDirectory ?? join(folder, 'run');
  const lines: string[] = [];
  const ran: Search['ran'] = [];
  const log = (line: string): void => void lines.push(line);
  const store = options.store ?? new MemoryStore();
  const trainer = new Trainer<CapitalTask, ApoMetrics>({
    algorithm: apo({
      prompts: [answerPrompt],
      reflection: scriptCritique(1),
      beam: 2,
      branches: 2,
      minibatch: 2,
      beamTasks: 4,
      ...algorithm,
    }),
    rollout: (task, { rollout }) => {
      const { purpose, task: index, step } = rollout.metadata;
      ran.push({ purpose, task: index, step, prompts: answerPrompt.render({ country: '{{country}}' }) });
      return rateCapital(answerCapital(task));
    },
    logger: { info: log, warn: log, error: log },
    progress: 'none',
    handleSignals: false,
    retry: { maxAttempts: 1 },
    checkpointEvery: 10,
    ...options,
    store,
    runDirectory,
  });
  const metrics = async (): Promise<readonly Line[]> =>
    (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  return { trainer, lines, runDirectory, store, ran, metrics };
}

const countSearch = ({ ran }: Search): number => ran.filter(({ purpose }) => purpose !== undefined).length;

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
      message: expect.stringContaining('apo.reflection has not answered in 3 rounds (no new prompt: quota exceeded)'),
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

  it('has a dry run', async () => {
    const { trainer } = await createSearch();
    const report = await trainer.dev({ tasks: capitalTasks.slice(0, 2), samples: 2 });
    expect(report.ok).toBe(true);
    expect(report.findings.join('\n')).toContain('a round costs up to 22 rollouts');
  });
});
