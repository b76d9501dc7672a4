import { MemoryStore } from '@agent-lightning/store';
import { compare, emitObject } from '@agent-lightning/tracing';
import {
  readReward,
  type Algorithm,
  type AlgorithmRun,
  type Episode,
  type LightningError,
  type PlannedRollout,
} from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { Trainer, type StoredRollout } from '../src/index.ts';
import { askLetter, letterTasks, scoreLetter, type LetterTask } from './letter-task.ts';
import { capitalTasks, runCapital, search, type CapitalTask } from './prompt-search/capital-task.ts';
import { promptSearch } from './prompt-search/prompt-search.ts';
import { createRunDirectory, createTestTrainer, readMetrics } from './run-folder.ts';

/** Says of each letter how near it is to the right one, as a judge of the whole group does. */
async function rateLetters(request: string): Promise<string> {
  const task = JSON.parse(/<task>\n(.*)\n/.exec(request)![1]!) as LetterTask;
  const answers = [...request.matchAll(/<answer number="\d+">\n(.*)\n/g)].map(([, answer]) => answer!);
  return answers
    .map(
      (answer, index) =>
        `<judgement number="${index + 1}">It says ${answer}. <score>${scoreLetter(task, answer) * 10}</score></judgement>`,
    )
    .join('\n');
}

const rubric = 'The next letter of the alphabet is right; a letter near it is better than one far from it.';
const learnsSoon = { learningRate: 150, estimator: 'dr_grpo', groupSize: 8, tasksPerStep: 8 } as const;

const small = { groupSize: 4, tasksPerStep: 2 } as const;

describe('a reward of whole groups', () => {
  it('trains as the same reward of each rollout does, with reasons in the store', async () => {
    const store = new MemoryStore();
    const rate = compare({ rubric, model: rateLetters });
    const { trainer, runDirectory } = await createTestTrainer(
      {
        store,
        groupReward: rate,
        // Held-out tasks run one by one, and have a reward of their own; in training it does not count.
        rollout: async (task, context) => {
          const score = scoreLetter(task, await askLetter(task, context));
          return context.mode === 'train' ? -1 : score;
        },
      },
      learnsSoon,
    );
    const result = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 3 });
    expect(result.validationAfter!).toBeGreaterThan(result.validationBefore! + 0.2);
    const [line] = await readMetrics(runDirectory);
    expect(line!.reward.lowest).toBeGreaterThanOrEqual(0);
    expect(result.spend.parts.judge.calls).toBe(rate.statistics.asked);
    const { items } = await store.queryRollouts({ modes: ['train'] });
    const spans = await store.querySpans({ rolloutIds: [items[0]!.rolloutId], kinds: ['reward'] });
    const rewards = spans.map((span) => readReward(span)!);
    expect(rewards.map(({ dimensions }) => dimensions[0]!.value)[0]).toBe(-1);
    expect(rewards.at(-1)).toMatchObject({ feedback: expect.stringMatching(/^It says \w\.$/) });
  });

  it('gives no reward, and never 0, to a group whose judge failed', async () => {
    const { trainer, runDirectory, logger } = await createTestTrainer(
      {
        groupReward: async () => {
          throw new Error('the judge is down');
        },
        noSignalPatience: 1,
      },
      small,
    );
    await expect(trainer.fit({ train: letterTasks, steps: 2 })).rejects.toMatchObject({ code: 'no-signal' });
    const [line] = await readMetrics(runDirectory);
    expect(line).toMatchObject({ reward: { count: 0 }, withoutReward: 8 });
    expect(logger.lines.filter((text) => text.includes('the judge is down'))).toEqual([
      'warning: groupReward failed, and its group has no reward: the judge is down',
    ]);
  });

  it('is not asked again for a group that an earlier process has scored', async () => {
    const runDirectory = await createRunDirectory();
    const asked: string[][] = [];
    const groupReward = (group: readonly StoredRollout<LetterTask>[]): number[] => {
      asked.push(group.map(({ rollout }) => rollout.rolloutId));
      return group.map(({ task, answer }) => scoreLetter(task, answer!));
    };
    const first = await createTestTrainer(
      { groupReward, runDirectory, checkpointEvery: 10, limits: { rollouts: 10 } },
      small,
    );
    await first.trainer.fit({ train: letterTasks, steps: 2 });
    const second = await createTestTrainer(
      { groupReward, runDirectory, checkpointEvery: 10, limits: { rollouts: 20 } },
      small,
    );
    expect(await second.trainer.fit({ train: letterTasks, steps: 2, resume: true })).toMatchObject({ steps: 2 });
    expect(asked.flat().length).toBe(16);
    expect(new Set(asked.flat()).size).toBe(16);
  });

  it('does not learn, where money is limited, from groups whose judge turns out to have no price', async () => {
    const runDirectory = await createRunDirectory();
    const make = (model: string): ReturnType<typeof createTestTrainer> =>
      createTestTrainer(
        {
          limits: { usd: 1 },
          runDirectory,
          groupReward: compare({
            rubric,
            model: async (request) => ({ text: await rateLetters(request), model, inputTokens: 9, outputTokens: 9 }),
          }),
        },
        small,
      );
    const { trainer } = await make('house-judge');
    await expect(trainer.fit({ train: letterTasks, steps: 2 })).rejects.toThrow(/prices\["house-judge"\]/);
    const { trainer: second, backend } = await make('gpt-5-mini');
    // Its first step is the first of the run: none was learned from before.
    expect(await second.fit({ train: letterTasks, steps: 1, resume: true })).toMatchObject({ steps: 1 });
    expect(backend.passes).toHaveLength(1);
  });

  it('begins nothing, where money is limited, with a judge on a server that has no price', async () => {
    const model = { baseUrl: 'http://127.0.0.1:9/v1', model: 'house-judge' };
    const ran: unknown[] = [];
    const { trainer } = await createTestTrainer({
      limits: { usd: 1 },
      groupReward: compare({ rubric, model }),
      rollout: (task) => void ran.push(task),
    });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toThrow(/prices\["house-judge"\]/);
    expect(ran).toEqual([]);
  });

  it.each([
    ['goes on without the group of a rollout that has no text', 1, 'completed'],
    ['ends where no rollout of the step has a text', 8, 'option-invalid'],
  ])('%s', async (_, silent, end) => {
    let ran = 0;
    const model = async (request: string): Promise<string> =>
      [...request.matchAll(/<answer number="(\d+)">/g)]
        .map(([, number]) => `<judgement number="${number}"><score>${number}</score></judgement>`)
        .join('');
    const { trainer, runDirectory, logger } = await createTestTrainer(
      {
        runners: 1,
        groupReward: compare({ rubric, model }),
        rollout: async (task, context) => {
          ran += 1;
          if (ran > silent) emitObject(`${await askLetter(task, context)} ${ran}`);
        },
      },
      small,
    );
    const ended = await trainer.fit({ train: letterTasks, steps: 1 }).then(
      ({ stopReason }) => stopReason,
      ({ code }: LightningError) => code,
    );
    expect(ended).toBe(end);
    if (end !== 'completed') return;
    const [line] = await readMetrics(runDirectory);
    expect(line).toMatchObject({ reward: { count: 4 }, withoutReward: 4 });
    expect(logger.lines.filter((text) => text.includes('1 of the 4 rollouts'))).toHaveLength(1);
  });

  it('must give as many rewards as it gets rollouts', async () => {
    const { trainer } = await createTestTrainer({ groupReward: () => [1] }, small);
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toThrow(
      /groupReward must be a function that returns a reward for each of the 4 rollouts/,
    );
  });

  it('is shown by a dry run', async () => {
    const { trainer } = await createTestTrainer({
      groupReward: (group) => group.map((_, index) => index / group.length),
      rollout: async (task, context) => void (await askLetter(task, context)),
    });
    expect(await trainer.dev({ tasks: letterTasks.slice(0, 2) })).toMatchObject({ ok: true, groupsWithVariance: 2 });
  });

  it('is that of the group’s size at each moment of an extended step, also where the step is repeated', async () => {
    const runDirectory = await createRunDirectory();
    const asked: number[] = [];
    const run = async (resume: boolean): Promise<readonly unknown[]> => {
      const seen: unknown[] = [];
      const see = (moment: string, episodes: readonly Episode[]): void =>
        void seen.push([moment, episodes.map(({ reward, rewards, feedback }) => [reward, rewards, feedback])]);
      const plan = (count: number, first = 0): readonly PlannedRollout[] =>
        Array.from({ length: count }, (_, index) => {
          const key = `r${first + index}`;
          return { key, groupKey: 'g', input: 'task', mode: 'train', metadata: {} };
        });
      const algorithmRun: AlgorithmRun = {
        publish: async () => undefined,
        plan: () => plan(2),
        extend: ({ planned, episodes }) => {
          see(`extend ${planned.length}`, episodes);
          return planned.length < 6 ? plan(2, planned.length) : [];
        },
        learn: async ({ episodes }) => {
          see('learn', episodes);
          if (!resume) throw new Error('the process ends here');
          return { metrics: {} };
        },
        save: async () => undefined,
        load: async () => undefined,
        exportResult: async () => undefined,
      };
      const algorithm: Algorithm = {
        name: 'growing',
        config: {},
        tasksPerStep: 1,
        uses: { backend: false, samplingAhead: false },
        begin: async () => algorithmRun,
        rehearse: () => Promise.reject(new Error('no dry run here')),
      };
      const trainer = new Trainer<string>({
        algorithm,
        rollout: () => 1,
        // A score says which group it was given in, as those of a judge depend on the others.
        groupReward: (group) => {
          asked.push(group.length);
          return group.map((_, index) => ({ score: group.length + index / 10, feedback: `of ${group.length}` }));
        },
        logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
        progress: 'none',
        handleSignals: false,
        runDirectory,
      });
      await trainer.fit({ train: ['task'], steps: 1, resume }).catch((error: Error) => {
        if (resume || error.message !== 'the process ends here') throw error;
      });
      return seen;
    };
    const first = await run(false);
    expect(first.map((each) => (each as [string])[0])).toEqual(['extend 2', 'extend 4', 'extend 6', 'learn']);
    expect(first[0]).toEqual([
      'extend 2',
      [
        [2, { score: 2 }, 'of 2'],
        [2.1, { score: 2.1 }, 'of 2'],
      ],
    ]);
    expect(await run(true)).toEqual(first);
    expect(asked).toEqual([2, 4, 6]);
  });

  it('is refused by an algorithm that compares rollouts of different steps', async () => {
    const { uses, ...algorithm } = promptSearch(search);
    const make = (): Trainer<CapitalTask> =>
      new Trainer<CapitalTask>({
        rollout: (task, context) => runCapital(task, context),
        algorithm: { ...algorithm, uses: { ...uses, comparesSteps: true } },
        groupReward: (group) => group.map(() => 1),
      });
    expect(capitalTasks.length).toBeGreaterThan(0);
    expect(make).toThrow(/groupReward must be left out: prompt-search compares rollouts of different steps/);
  });
});
