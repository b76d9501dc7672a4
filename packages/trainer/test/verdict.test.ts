import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findSavedRun } from '@agent-lightning/run';
import type { MemoryStore } from '@agent-lightning/store';
import type { Rollout } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { resolveFitOptions, type FitOptions } from '../src/fit-options.ts';
import { splitHeldOut } from '../src/evaluate/held-out-tasks.ts';
import { grpo, Trainer, type TrainerOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createTestTrainer, readMetrics, readReport } from './run-folder.ts';

/** The letters three times: few enough letters to be learned in a few steps, and enough held-out tasks for a verdict. */
const tasks: readonly LetterTask[] = ['first', 'second', 'third'].flatMap((kind) =>
  letterTasks.map((task) => ({ ...task, kind })),
);
const learns = { learningRate: 200, estimator: 'dr_grpo', groupSize: 8, tasksPerStep: 8 } as const;
const heldOut = { train: letterTasks, validation: tasks } as const;

async function train(fit: Partial<FitOptions<LetterTask>>, options: Partial<TrainerOptions<LetterTask>> = {}) {
  const made = await createTestTrainer(options, learns);
  return { ...made, result: await made.trainer.fit({ ...heldOut, steps: 6, ...fit }) };
}

async function readRollouts(store: MemoryStore): Promise<readonly Rollout[]> {
  return (await store.queryRollouts({ modes: ['test'], limit: 10_000 })).items;
}

class PaymentError extends Error {}

/** Pays in training, after some step, for the wrong letter: what was learned is lost again. */
function turnAfter(step: number): TrainerOptions<LetterTask>['rollout'] {
  return async (task, context) => {
    const reward = await answerLetter(task, context);
    const { mode, metadata } = context.rollout;
    return mode === 'train' && Number(metadata['step']) > step ? -reward : reward;
  };
}

describe('the verdict of fit', () => {
  it('is better for an agent that learned, on tasks that did not choose the step', async () => {
    const { result, runDirectory, store } = await train({ validationEvery: 3 });
    const { verdict } = result;
    expect(verdict).toMatchObject({
      answer: 'better',
      tasks: 12,
      baseline: { rollouts: 48, failed: 0 },
      candidate: { rollouts: 48, failed: 0 },
    });
    expect(verdict!.gain).toBeCloseTo(verdict!.candidate.reward - verdict!.baseline.reward, 12);
    expect(verdict!.interval[0]).toBeGreaterThan(0);

    const { test, selection } = splitHeldOut(resolveFitOptions(heldOut, 8), 0);
    expect([...test, ...selection].sort((a, b) => a - b)).toEqual([...tasks.keys()]);
    const ran = await readRollouts(store!);
    const ranTasks = new Set(ran.map(({ metadata }) => Number(metadata['task'])));
    expect([...ranTasks].sort((a, b) => a - b)).toEqual(test.toSorted((a, b) => a - b));
    // They are sampled, not greedy: the samples of a task that is not learned yet differ.
    const answers = await readRewards(store!);
    expect(answers.some((own) => new Set(own).size > 1)).toBe(true);

    expect(JSON.parse(await readFile(join(runDirectory, 'verdict.json'), 'utf8'))).toEqual({
      step: result.bestStep,
      ...verdict,
    });
    const shown = (await readReport(result.reportPath)).reply('').verdict;
    expect(shown).toMatchObject({ step: result.bestStep, answer: verdict!.answer, sentence: expect.any(String) });
  });

  it('keeps the best validated step, and says what that one is worth', async () => {
    const { result, runDirectory } = await train({ steps: 8, validationEvery: 2 }, { rollout: turnAfter(4) });
    expect(result.bestStep).toBe(4);
    expect(result.validationAfter).toBeLessThan(0.5);
    expect(result.verdict).toMatchObject({ answer: 'better' });
    expect((await readdir(join(runDirectory, 'checkpoints'))).sort()).toEqual([
      'step-000004',
      'step-000007',
      'step-000008',
    ]);
    const read = async (...names: readonly string[]) =>
      (JSON.parse(await readFile(join(runDirectory, ...names, 'state.json'), 'utf8')) as { logits: unknown }).logits;
    expect(await read('model')).toEqual(await read('checkpoints', 'step-000004', 'policy'));
    expect(await read('model')).not.toEqual(await read('checkpoints', 'step-000008', 'policy'));
  });

  it('does not keep a step whose hard tasks were lost: the mean of the easy ones is not that of all', async () => {
    const hard = splitHeldOut(resolveFitOptions(heldOut, 8), 0).selection.slice(0, 2);
    const { result, runDirectory, logger } = await train(
      { steps: 3, validationEvery: 1 },
      {
        failures: { PaymentError: 'world' },
        retry: { maxAttempts: 1 },
        rollout: async (task, context) => {
          await askLetter(task, context);
          const { mode, metadata } = context.rollout;
          if (mode === 'train') return Number(metadata['sample']) / 8;
          const isHard = mode === 'val' && hard.includes(Number(metadata['task']));
          if (isHard && metadata['step'] === 1) throw new PaymentError('declined');
          return isHard ? 0 : 0.5 + Number(metadata['step']) / 100;
        },
      },
    );
    const lines = await readMetrics(runDirectory);
    expect(lines.map(({ validation }) => validation!.leftOut)).toEqual([2, 0, 0]);
    expect(lines.map(({ validation }) => validation!.selection)).toEqual([
      undefined,
      expect.closeTo((0.52 * 10) / 12, 12),
      expect.closeTo((0.53 * 10) / 12, 12),
    ]);
    expect(result.bestStep).toBe(3);
    expect(logger.lines.join('\n')).toMatch(
      /validation after step 1: some of the 12 tasks that choose the best step have no reward \(such as .*PaymentError: declined\)/,
    );
  });

  it('judges the last step where it is told so, on all held-out tasks, and can be worse', async () => {
    const { result } = await train(
      { verdict: { step: 'last', samples: 2 } },
      {
        rollout: async (task, context) => {
          const reward = await answerLetter(task, context);
          return context.rollout.mode === 'train' ? reward : 1 - reward; // training pays for what nobody wants
        },
      },
    );
    expect(result.bestStep).toBe(6);
    expect(result.verdict).toMatchObject({ answer: 'worse', tasks: 24, baseline: { rollouts: 48 } });
  });

  it('counts failed rollouts, and shows them', async () => {
    const { result } = await train(
      { steps: 1 },
      {
        rollout: (task, context) => {
          if (context.rollout.mode === 'test' && context.rollout.metadata['step'] === 1) throw new Error('broken');
          return answerLetter(task, context);
        },
      },
    );
    expect(result.verdict).toMatchObject({ candidate: { reward: 0, failed: 48 }, baseline: { failed: 0 } });
    expect(result.verdict!.gain).toBeLessThan(0);
  });

  it('scores the failures of start and end alike, though training saw lower returns in between', async () => {
    const { result } = await train(
      { steps: 1, validationEvery: 0 },
      {
        rollout: async (task, context) => {
          await askLetter(task, context);
          const { mode, metadata } = context.rollout;
          if (mode === 'train') return -5 - Number(metadata['sample']);
          if (mode === 'test' && metadata['sample'] === 0) throw new Error('broken');
          return 1;
        },
      },
    );
    expect(result.verdict).toMatchObject({
      answer: 'cannot-tell',
      gain: 0,
      baseline: { reward: -2.25, failed: 12 },
      candidate: { reward: -2.25, failed: 12 },
    });
  });

  it('keeps the lowest return that the start and the last validation saw with the run', async () => {
    const { result, runDirectory } = await train(
      { steps: 1 },
      {
        rollout: async (task, context) => {
          await askLetter(task, context);
          const { mode, metadata } = context.rollout;
          if (mode === 'val' && metadata['step'] === 1) return -4;
          return mode === 'test' ? -3 : Number(metadata['sample'] ?? 0);
        },
      },
    );
    expect(result.stopReason).toBe('completed');
    const lowestAt = async (step: number) => (await findSavedRun(`${runDirectory}@${step}`)).state.lowestReturn;
    expect([await lowestAt(0), await lowestAt(1)]).toEqual([-3, -4]);
  });

  it('is left out when it is not wanted, and with few held-out tasks unless it is', async () => {
    const few = tasks.slice(0, 15);
    expect((await train({ steps: 1, verdict: false })).result).toMatchObject({ verdict: undefined, bestStep: 1 });
    expect((await train({ steps: 1, validation: few })).result.verdict).toBeUndefined();
    expect((await train({ steps: 1, validation: few, verdict: {} })).result.verdict).toMatchObject({ tasks: 7 });
  });

  it.each([
    [{ verdict: { samples: 0 } }, /verdict\.samples.*0/],
    [{ verdict: { step: 'first' as 'last' } }, /verdict\.step.*first/],
    [{ verdict: {}, validation: tasks.slice(0, 1) }, /fewer than 2 held-out tasks/],
  ])('rejects %j', async (fit, message) => {
    await expect(train({ steps: 1, ...fit })).rejects.toThrow(message);
  });
});

describe('the verdict of an interrupted run', () => {
  it('is said when the run goes on, against the start that it had, with the rollouts that were finished', async () => {
    const [judged] = splitHeldOut(resolveFitOptions(heldOut, 8), 0).test;
    for (const at of ['.s2.g0.k0', `.e2.t${judged}.k3`]) {
      const fit = { steps: 2 };
      const abort = new AbortController();
      const interrupted = await train(fit, {
        signal: abort.signal,
        runners: 1,
        rollout: (task, context) => {
          if (context.rollout.rolloutId.endsWith(at)) abort.abort();
          return answerLetter(task, context);
        },
      });
      expect(interrupted.result).toMatchObject({ stopReason: 'interrupted', verdict: undefined, bestStep: undefined });
      expect(interrupted.result.modelDirectory).toBeUndefined();
      const saved = await findSavedRun(interrupted.runDirectory);
      const ran: string[] = [];
      const { trainer } = await createTestTrainer(
        {
          runDirectory: interrupted.runDirectory,
          rollout: (task, context) => {
            ran.push(context.rollout.rolloutId);
            return answerLetter(task, context);
          },
        },
        learns,
      );
      const { verdict, bestStep } = await trainer.fit({ ...heldOut, ...fit, resume: true });
      expect(bestStep).toBe(2);
      const rewards = saved.state.baseline!.rewards.flat().filter((reward) => typeof reward === 'number');
      expect(rewards).toHaveLength(48);
      expect(verdict!.baseline.reward).toBeCloseTo(rewards.reduce((sum, reward) => sum + reward, 0) / 48, 12);
      expect(ran.filter((id) => id.includes('.e0.'))).toEqual([]);
      const again = ran.filter((id) => id.includes('.e2.'));
      if (at.startsWith('.e2')) expect(again.length).toBeLessThan(48);
      else expect(again).toHaveLength(48);
    }
  });

  it('sorts the failures of the start as those of the end, where `failures` changed in between', async () => {
    const abort = new AbortController();
    const rollout: TrainerOptions<LetterTask>['rollout'] = async (task, context) => {
      const { mode, metadata, rolloutId } = context.rollout;
      if (rolloutId.endsWith('.s2.g0.k0')) abort.abort();
      await askLetter(task, context);
      if (mode === 'test' && metadata['sample'] === 0) throw new PaymentError('declined');
      return 1;
    };
    const fit = { steps: 2, validationEvery: 0 };
    const { runDirectory } = await train(fit, { signal: abort.signal, rollout });
    const { result } = await train(
      { ...fit, resume: true },
      { runDirectory, rollout, failures: { PaymentError: 'world' }, retry: { maxAttempts: 1 } },
    );
    expect(result.verdict).toMatchObject({
      gain: 0,
      baseline: { reward: 1, failed: 12 },
      candidate: { reward: 1, failed: 12 },
    });
  });

  it('is not said against a start whose failures an earlier version scored', async () => {
    const abort = new AbortController();
    const { runDirectory } = await train(
      { steps: 2 },
      {
        signal: abort.signal,
        rollout: async (task, context) => {
          if (context.rollout.rolloutId.endsWith('.s2.g0.k0')) abort.abort();
          return await answerLetter(task, context);
        },
      },
    );
    const { directory, state } = await findSavedRun(runDirectory);
    const { failureReward: _, ...baseline } = state.baseline!;
    await writeFile(join(directory, 'run.json'), JSON.stringify({ ...state, baseline }));
    const { result, logger } = await train({ steps: 2, resume: true }, { runDirectory });
    expect(result).toMatchObject({ verdict: undefined, bestStep: 2 });
    expect(logger.lines.join('\n')).toContain('no evaluation of its start, or one of an earlier version');
  });

  it('needs the same options', async () => {
    const abort = new AbortController();
    const { runDirectory } = await train(
      { steps: 2 },
      { signal: abort.signal, rollout: (task, context) => (abort.abort(), answerLetter(task, context)) },
    );
    const { trainer } = await createTestTrainer({ runDirectory }, learns);
    await expect(trainer.fit({ ...heldOut, steps: 2, verdict: false, resume: true })).rejects.toThrow(
      /started with verdict = best step, 4 samples of a task, and this one has none/,
    );
  });
});

describe('Trainer.compare', () => {
  it('compares checkpoints by their names, and leaves nothing behind', async () => {
    const { runDirectory, trainer, backend, store } = await train({ verdict: false });
    const before = (await readRollouts(store!)).length;
    const verdict = await trainer.compare({ tasks, samples: 2, candidate: runDirectory });
    expect(verdict).toMatchObject({ answer: 'better', tasks: 24, baseline: { rollouts: 48 } });
    const back = await trainer.compare({ tasks, samples: 2, baseline: `${runDirectory}@6`, candidate: 'base' });
    expect(back).toMatchObject({ answer: 'worse', gain: -verdict.gain });
    // The same checkpoint, with the same seeds, gives the same rewards.
    const same = await trainer.compare({ tasks, samples: 2, baseline: `${runDirectory}@6`, candidate: runDirectory });
    expect(same).toMatchObject({ answer: 'cannot-tell', gain: 0, candidate: verdict.candidate });
    expect((await readRollouts(store!)).length).toBe(before);
    expect(backend.passes).toHaveLength(6);
  });

  it('scores the failures of both alike, whatever each one’s lowest reward is', async () => {
    const { runDirectory } = await train({ steps: 1, verdict: false, validation: [] });
    let begun = 0;
    const { trainer } = await createTestTrainer({
      rollout: async (task, context) => {
        const isCandidate = begun++ >= tasks.length * 2;
        await askLetter(task, context);
        if (context.rollout.metadata['sample'] === 0) throw new Error('broken');
        return isCandidate && task.letter === 'a' && task.kind === 'first' ? -3 : 1;
      },
    });
    const verdict = await trainer.compare({ tasks, samples: 2, candidate: runDirectory });
    expect(verdict).toMatchObject({ baseline: { reward: -1 }, answer: 'cannot-tell' });
    expect(verdict.gain).toBeCloseTo(-4 / 2 / 24, 12);
  });

  it('counts the tasks, and names what it cannot evaluate', async () => {
    const { runDirectory, trainer } = await train({ steps: 1, validation: [] });
    await expect(trainer.evaluate({ tasks: [] })).rejects.toThrow(/evaluate: tasks/);
    await expect(trainer.evaluate({ tasks, samples: 0 })).rejects.toThrow(/evaluate: samples/);
    await expect(trainer.evaluate({ tasks, checkpoint: 'runs/none' })).rejects.toThrow(/a run directory.*runs\/none/);
    await expect(trainer.evaluate({ tasks, checkpoint: `${runDirectory}@7` })).rejects.toThrow(/steps: 0, 1; got/);
    const other = new Trainer<LetterTask>({
      rollout: () => 1,
      algorithm: { ...grpo(), name: 'another' },
      backend: new BigramBackend(),
    });
    await expect(other.evaluate({ tasks, checkpoint: runDirectory })).rejects.toThrow(/a run of the algorithm grpo/);
  });
});

/** Reads the rewards of the verdict's rollouts, those of one task and one step together. */
async function readRewards(store: MemoryStore): Promise<readonly (readonly unknown[])[]> {
  const rolloutIds = (await readRollouts(store)).map(({ rolloutId }) => rolloutId);
  const spans = await store.querySpans({ rolloutIds, kinds: ['reward'] });
  const groups = Map.groupBy(spans, ({ rolloutId }) => rolloutId.replace(/\.k\d+$/, ''));
  return [...groups.values()].map((own) => own.map(({ attributes }) => JSON.stringify(attributes)));
}
