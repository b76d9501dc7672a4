import { join } from 'node:path';
import type { Rollout } from '@agent-lightning/core';
import type { RolloutContext } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { describe, expect, it } from 'vitest';
import type { GrpoOptions, TrainerOptions } from '../src/index.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createFolder, createTestTrainer, readMetrics } from './run-folder.ts';
import { runProgram } from './run-process.ts';

const small: GrpoOptions = { groupSize: 4, tasksPerStep: 4, extendFailed: 0.5 };

/** Asks the policy, so that the call trains, and returns the reward that the test says. */
function rewardedBy(
  rewardOf: (task: LetterTask, context: RolloutContext) => number,
): TrainerOptions<LetterTask>['rollout'] {
  return async (task, context) => {
    await askLetter(task, context);
    return rewardOf(task, context);
  };
}

const connectionRefused = (): Error => Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
const sampleOf = ({ rollout }: RolloutContext): number => Number(rollout.metadata['sample']);
const groupOf = ({ groupId }: Rollout): string => /\.(s\d+\.g\d+)$/.exec(groupId!)![1]!;

/** Returns the rollouts of a run in a store, by group, as the tasks and samples that they are. */
async function groupsOf(store: MemoryStore): Promise<Readonly<Record<string, string>>> {
  const { items } = await store.queryRollouts({ modes: ['train'], limit: 10_000 });
  const groups = Map.groupBy(
    items.toSorted((a, b) => Number(a.metadata['sample']) - Number(b.metadata['sample'])),
    groupOf,
  );
  return Object.fromEntries(
    [...groups].map(([key, own]) => [
      key,
      `${(own[0]!.input as unknown as LetterTask).letter}${own.map(({ metadata }) => String(metadata['sample'])).join('')}`,
    ]),
  );
}

describe('a step that is extended', () => {
  it('gives a group whose members all failed half as many rollouts more, and counts them', async () => {
    const store = new MemoryStore();
    // "a" fails in its first four rollouts; "b" always; the others succeed half of the time.
    const rollout = rewardedBy(({ letter }, context) =>
      letter === 'a' ? Number(sampleOf(context) > 3) : letter === 'b' ? 0 : sampleOf(context) % 2,
    );
    const { trainer, runDirectory, logger } = await createTestTrainer({ rollout, store, progress: 'plain' }, small);
    await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
    expect(Object.values(await groupsOf(store)).sort()).toEqual(['a012345', 'b012345', 'c0123', 'd0123']);
    const [metrics] = await readMetrics(runDirectory);
    expect(metrics).toMatchObject({ rollouts: 20, rolloutsAdded: { failed: 4 }, groupsUsed: 3, groupsZeroVariance: 1 });
    expect(logger.lines.join('\n')).toContain('+4 rollouts where a whole group earned the least');
  });

  it('counts all of its failures alike, also where the further rollouts earn less than the others did', async () => {
    const rollout = rewardedBy(({ letter }, context) => {
      if (letter === 'a' && sampleOf(context) === 4) return -5;
      if (letter === 'a') throw new TypeError('broken');
      return sampleOf(context) % 2;
    });
    const { trainer, runDirectory } = await createTestTrainer({ rollout }, small);
    await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
    const [metrics] = await readMetrics(runDirectory);
    expect(metrics).toMatchObject({ rolloutsAdded: { failed: 2 }, failureReward: -5, groupsZeroVariance: 1 });
    expect(metrics!.reward.mean).toBeCloseTo((6 * -5 + 3 * 2) / 18, 9); // five failures and a success of -5, and 0 and 1 twice in three groups
  });

  it('gives more also after failures that count less than anything that was earned', async () => {
    const rollout = rewardedBy(({ letter }, context) => {
      if (letter === 'b' && sampleOf(context) < 2) throw new TypeError('broken');
      return letter === 'a' ? 0 : sampleOf(context) % 2;
    });
    const { trainer, runDirectory } = await createTestTrainer({ rollout, failureReward: -1 }, small);
    await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
    expect((await readMetrics(runDirectory))[0]!.rolloutsAdded).toEqual({ failed: 2 });
  });

  it('gives nothing more where a group is solved, or more is not wanted', async () => {
    for (const [reward, options] of [
      [1, small],
      [0, { ...small, extendFailed: 0 }],
    ] as const) {
      const rollout = rewardedBy(({ letter }, context) => (letter === 'a' ? reward : sampleOf(context) % 2));
      const { trainer, runDirectory } = await createTestTrainer({ rollout }, options);
      await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
      expect((await readMetrics(runDirectory))[0]).toMatchObject({ rollouts: 16, rolloutsAdded: {} });
    }
  });

  it('fills up a group that lost members, once', async () => {
    const store = new MemoryStore();
    const rollout = rewardedBy(({ letter }, context) => {
      if (letter === 'b' || (letter === 'a' && sampleOf(context) < 2)) throw connectionRefused();
      return sampleOf(context) % 2;
    });
    const { trainer, runDirectory } = await createTestTrainer({ rollout, store, retry: { maxAttempts: 1 } }, small);
    await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
    expect(Object.values(await groupsOf(store)).sort()).toEqual(['a012345', 'b01234567', 'c0123', 'd0123']);
    expect((await readMetrics(runDirectory))[0]).toMatchObject({ rollouts: 22, rolloutsAdded: { lost: 6 } });
  });

  it('is decided by the shuffled rewards in a control run, as everything is', async () => {
    const rollout = rewardedBy(({ letter }) => Number(letter !== 'a'));
    for (const [control, added] of [
      ['none', { failed: 2 }],
      ['shuffled', {}],
    ] as const) {
      const { trainer, runDirectory } = await createTestTrainer({ rollout, control, noSignalPatience: 9 }, small);
      await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
      expect((await readMetrics(runDirectory))[0]!.rolloutsAdded).toEqual(added);
    }
  });

  it('adds nothing to a step in which no rollout succeeded: its agent is broken', async () => {
    const rollout = rewardedBy(() => {
      throw new TypeError('broken');
    });
    const { trainer, runDirectory } = await createTestTrainer({ rollout }, small);
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({ code: 'no-signal' });
    expect((await readMetrics(runDirectory))[0]).toMatchObject({ rollouts: 16, rolloutsAdded: {} });
  });

  it('takes further tasks in place of flat groups, up to the bound, also where later steps are sampled meanwhile', async () => {
    for (const maxStaleness of [0, 2]) {
      const store = new MemoryStore();
      const solved = new Set(letterTasks.map(({ letter }) => letter).slice(0, 5)); // 3 of 8 tasks teach
      const rollout = rewardedBy(({ letter }, context) => (solved.has(letter) ? 1 : sampleOf(context) % 2));
      const options = { rollout, store, maxStaleness, noSignalPatience: 9 };
      const { trainer, runDirectory } = await createTestTrainer(options, {
        ...small,
        refill: 0.75,
        taskSchedule: 'even',
      });
      await trainer.fit({ train: letterTasks, steps: 2 });
      const metrics = await readMetrics(runDirectory);
      const groups = Object.entries(await groupsOf(store));
      for (const { step, groupsUsed, groupsZeroVariance, rollouts, rolloutsAdded } of metrics) {
        const own = groups.filter(([key]) => key.startsWith(`s${step}.`)).map(([, name]) => name);
        expect(new Set(own).size).toBe(own.length); // no task twice in a step
        const more = Math.min(3, own.slice(0, 4).filter((name) => solved.has(name[0]!)).length);
        expect(own.length).toBeLessThanOrEqual(7);
        expect(own.length).toBeGreaterThanOrEqual(4 + Math.min(more, 1));
        expect([rollouts, rolloutsAdded['flat']]).toEqual([4 * own.length, 4 * (own.length - 4)]);
        expect(groupsUsed + groupsZeroVariance).toBe(own.length);
        expect(groupsUsed === 4 || own.length === 7).toBe(true); // it has what it asked for, or the bound is reached
      }
    }
  });

  it('decides by the plain reward, not by intermediate rewards', async () => {
    const rollout = rewardedBy(({ letter }, context) => (letter === 'a' ? 0 : sampleOf(context) % 2));
    const { trainer, runDirectory } = await createTestTrainer({ rollout }, { ...small, intermediate: true });
    await trainer.fit({ train: letterTasks.slice(0, 4), steps: 1 });
    expect((await readMetrics(runDirectory))[0]!.rolloutsAdded).toEqual({ failed: 2 });
  });
});

describe('a run in a process that is killed while a step is extended', () => {
  /** Returns the finished rollouts of a run, each as its key within the run and the letter of its task. */
  async function readFinished(runDirectory: string): Promise<readonly string[]> {
    const store = await openSqliteStore({ path: join(runDirectory, 'store.sqlite') });
    try {
      const { items } = await store.queryRollouts({ statuses: ['succeeded'], limit: 10_000 });
      return items.map(({ rolloutId, input }) => `${rolloutId} ${(input as unknown as LetterTask).letter}`);
    } finally {
      await store.close();
    }
  }

  it('takes what is finished, and asks for the same rollouts as one that nobody kills', async () => {
    const folder = await createFolder();
    const [killed, whole] = ['killed', 'whole'].map((name) => join(folder, name, 'run')) as [string, string];
    expect((await runProgram('extended-run.ts', [whole, 'begin', ''])).code).toBe(0);
    const expected = await readFinished(whole);
    const metrics = await readMetrics(whole);
    // a rollout of a further task, among others of them, in the second step
    const victim = expected.map((name) => name.split(' ')[0]!).find((id) => id.endsWith('.s2.g3.k2'))!;
    expect((await runProgram('extended-run.ts', [killed, 'begin', victim])).signal).toBe('SIGKILL');
    const before = await readFinished(killed);
    expect(before.length).toBeLessThan(expected.length);
    expect((await runProgram('extended-run.ts', [killed, 'resume', ''])).code).toBe(0);
    const after = await readFinished(killed);
    expect(after).toEqual(expect.arrayContaining([...before]));
    const withoutGeneration = (names: readonly string[]): readonly string[] =>
      names.map((name) => name.replace(/\.r\d+ /, ' ')).sort();
    expect(withoutGeneration(after)).toEqual(withoutGeneration(expected));
    const counts = (lines: typeof metrics): readonly unknown[] =>
      lines.map(({ step, rollouts, rolloutsAdded }) => ({ step, rollouts, rolloutsAdded }));
    expect(counts(await readMetrics(killed))).toEqual(counts(metrics));
    expect(metrics.map(({ rolloutsAdded }) => Object.keys(rolloutsAdded)).flat()).toEqual(
      expect.arrayContaining(['failed', 'flat']),
    );
  });
});

describe('the schedule of tasks', () => {
  const solved = (letter: string): boolean => letter < 'e'; // four of eight tasks
  const rollout = rewardedBy(({ letter }, context) => (solved(letter) ? 1 : sampleOf(context) % 2));

  /** Returns the letters of each step's tasks. */
  async function lettersOf(store: MemoryStore): Promise<readonly string[]> {
    const letters = Object.entries(await groupsOf(store)).map(([key, name]) => ({
      step: Number(/^s(\d+)/.exec(key)![1]),
      letter: name[0]!,
    }));
    return [...Map.groupBy(letters, ({ step }) => step).values()].map((own) =>
      own
        .map(({ letter }) => letter)
        .sort()
        .join(''),
    );
  }

  it('visits tasks less often whose groups teach nothing, drops none, and goes on where a resumed run was', async () => {
    const store = new MemoryStore();
    const { trainer } = await createTestTrainer({ rollout, store }, small);
    await trainer.fit({ train: letterTasks, steps: 16 });
    const steps = await lettersOf(store);
    const visits = steps.join('').split('');
    const countOf = (wanted: (letter: string) => boolean): number => visits.filter(wanted).length;
    expect(countOf((letter) => !solved(letter))).toBeGreaterThan(2 * countOf(solved));
    expect(new Set(visits.slice(-16 * 2)).size).toBe(8); // none is dropped

    const split = new MemoryStore();
    const first = await createTestTrainer({ rollout, store: split }, small);
    await first.trainer.fit({ train: letterTasks, steps: 7 });
    const again = await createTestTrainer({ rollout, store: split, runDirectory: first.runDirectory }, small);
    await again.trainer.fit({ train: letterTasks, steps: 16, resume: true });
    expect(await lettersOf(split)).toEqual(steps);
  });

  it('is even where it is asked to be, and where steps are planned ahead', async () => {
    for (const [options, algorithm] of [
      [{}, { taskSchedule: 'even' }],
      [{ maxStaleness: 1 }, {}],
    ] as const) {
      const store = new MemoryStore();
      const { trainer } = await createTestTrainer({ rollout, store, ...options }, { ...small, ...algorithm });
      await trainer.fit({ train: letterTasks, steps: 10 });
      const steps = await lettersOf(store);
      for (let epoch = 0; epoch < 5; epoch += 1)
        expect([...(steps[2 * epoch]! + steps[2 * epoch + 1]!)].sort().join('')).toBe('abcdefgh');
    }
  });

  it('is refused by name where steps are planned ahead', async () => {
    const { trainer } = await createTestTrainer({ maxStaleness: 1 }, { ...small, taskSchedule: 'by-success' });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/taskSchedule 'by-success'.*maxStaleness 1/),
    });
  });
});
