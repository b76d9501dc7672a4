import { once } from 'node:events';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { StoreError, type Rollout } from '@agent-lightning/core';
import type { RolloutContext } from '@agent-lightning/runner';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { describe, expect, it } from 'vitest';
import {
  type GrpoLine as StepMetrics,
  createRunDirectory,
  createTestTrainer,
  readMetrics,
  readReport,
} from './run-folder.ts';
import type { TrainingResult } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, letterTasks } from './letter-task.ts';
import { runProcess, steps, succeededRollouts } from './run-process.ts';

async function readSteps(runDirectory: string): Promise<readonly number[]> {
  return (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as StepMetrics).step);
}

/** Interrupts the run from inside a rollout, which goes on until the run ends it: so what is queued behind it stays queued. */
async function interrupt(abort: AbortController, { signal }: RolloutContext): Promise<void> {
  abort.abort();
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
}

/** The run that nobody interrupts, to compare with. */
async function undisturbed(): Promise<TrainingResult> {
  const { trainer } = await createTestTrainer({ runDirectory: await createRunDirectory() });
  return await trainer.fit({ train: letterTasks, validation: letterTasks, steps });
}

describe('an interrupted run', () => {
  it('goes on where it was, to the very same end', async () => {
    const abort = new AbortController();
    const { trainer, runDirectory, logger } = await createTestTrainer({
      runDirectory: await createRunDirectory(),
      signal: abort.signal,
      rollout: async (task, context) => {
        if (context.rollout.rolloutId === 'run.s4.g2.k3') abort.abort();
        return await answerLetter(task, context);
      },
    });
    const interrupted = await trainer.fit({ train: letterTasks, validation: letterTasks, steps });
    expect(interrupted).toMatchObject({
      stopReason: 'interrupted',
      steps: 3,
      validationAfter: undefined,
      modelDirectory: undefined,
    });
    expect(logger.lines.join('\n')).toMatch(
      /saving and stopping(.|\n)*saved after step 3; to go on, run the same program with runDirectory/,
    );
    const { reply } = await readReport(interrupted.reportPath);
    expect(reply('')).toMatchObject({ outcome: 'interrupted', steps: 3 });

    const again = await createTestTrainer({ runDirectory });
    const resumed = await again.trainer.fit({ train: letterTasks, validation: letterTasks, steps, resume: true });
    const { curve, validationAfter } = await undisturbed();
    expect(resumed).toMatchObject({ stopReason: 'completed', steps, curve, validationAfter });
    expect(again.backend.published[0]).toBe(3);
    expect(await readSteps(runDirectory)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(resumed.wallSeconds).toBeGreaterThan(interrupted.wallSeconds);
  });

  it('runs only those rollouts again that had not come to an end, and they draw what they would have drawn', async () => {
    const abort = new AbortController();
    const { trainer, runDirectory } = await createTestTrainer({
      runDirectory: await createRunDirectory(),
      signal: abort.signal,
      runners: 1,
      rollout: async (task, context) => {
        if (context.rollout.rolloutId === 'run.s2.g1.k0') await interrupt(abort, context);
        return await answerLetter(task, context);
      },
    });
    await trainer.fit({ train: letterTasks, steps: 2 });
    const store = await openSqliteStore({ path: join(runDirectory, 'store.sqlite') });
    const finished = (await store.queryRollouts({ statuses: ['succeeded'] })).items.map((rollout) => rollout.rolloutId);
    await store.close();
    const ran: string[] = [];
    const again = await createTestTrainer({
      runDirectory,
      rollout: (task, context) => {
        ran.push(context.rollout.rolloutId);
        return answerLetter(task, context);
      },
    });
    const resumed = await again.trainer.fit({ train: letterTasks, steps: 2, resume: true });
    const { trainer: undisturbed } = await createTestTrainer({ runDirectory: await createRunDirectory() });
    expect(resumed.curve).toEqual((await undisturbed.fit({ train: letterTasks, steps: 2 })).curve);
    expect(finished.length).toBeGreaterThan(32);
    expect(ran).toHaveLength(64 - finished.length);
    expect(ran.every((id) => /^run\.s2\..*\.r1$/.test(id))).toBe(true);
    expect(new Set([...finished, ...ran.map((id) => id.slice(0, -3))]).size).toBe(64);
  });

  it('leaves nothing for others to run in a store that it shares, and queues it again when it is resumed', async () => {
    const store = new MemoryStore();
    const abort = new AbortController();
    const noMore = { extendFailed: 0 };
    const { trainer, runDirectory } = await createTestTrainer(
      {
        store,
        signal: abort.signal,
        runners: 1,
        rollout: async (task, context) => {
          if (context.rollout.rolloutId.endsWith('.s2.g1.k0')) await interrupt(abort, context);
          return await answerLetter(task, context);
        },
      },
      noMore,
    );
    await trainer.fit({ train: letterTasks, steps: 2 });
    const finished = (await store.queryRollouts({ statuses: ['succeeded'] })).items.length;
    expect(finished).toBeLessThan(64);
    expect(await store.claim({ workerId: 'elsewhere' })).toEqual([]);
    const ran: string[] = [];
    const again = await createTestTrainer(
      {
        store,
        runDirectory,
        rollout: async (task, context) => {
          ran.push(context.rollout.rolloutId);
          return await answerLetter(task, context);
        },
      },
      noMore,
    );
    expect((await again.trainer.fit({ train: letterTasks, steps: 2, resume: true })).steps).toBe(2);
    expect(ran).toHaveLength(64 - finished);
    expect((await readMetrics(runDirectory)).map(({ rollouts }) => rollouts)).toEqual([32, 32]);
    await store.close();
  });

  it('ends what it left before it loads its weights, which may take longer than an attempt', async () => {
    /** Out of reach when the first run ends, so that its rollouts stay, as those of a killed process do. */
    class LeavingStore extends MemoryStore {
      isAway = true;
      override async cancel(rolloutId: string, reason?: string): Promise<Rollout> {
        if (this.isAway) throw new StoreError('out of reach', { code: 'store-unavailable', retryable: true });
        return await super.cancel(rolloutId, reason);
      }
    }
    const store = new LeavingStore();
    const abort = new AbortController();
    const { trainer, runDirectory, logger } = await createTestTrainer({
      store,
      signal: abort.signal,
      runners: 1,
      rollout: async (task, context) => {
        if (context.rollout.rolloutId.endsWith('.s2.g1.k0')) await interrupt(abort, context);
        return await answerLetter(task, context);
      },
    });
    await trainer.fit({ train: letterTasks, steps: 2 });
    expect(logger.lines.at(-1)).toMatch(/could not be cancelled: .*the store was away .*StoreError: out of reach$/);
    store.isAway = false;
    const left = async (): Promise<number> =>
      (await store.queryRollouts({ statuses: ['queuing', 'preparing', 'running', 'requeuing'] })).items.length;
    expect(await left()).toBeGreaterThan(0);
    let leftAtLoad = Number.NaN;
    const onLoad = async (): Promise<void> => {
      leftAtLoad = await left();
    };
    const again = await createTestTrainer({ store, runDirectory, backend: new BigramBackend({ onLoad }) });
    await again.trainer.fit({ train: letterTasks, steps: 2, resume: true });
    expect(leftAtLoad).toBe(0);
    await store.close();
  });

  it('can be trained for longer after its end', async () => {
    const { trainer, runDirectory } = await createTestTrainer();
    await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 2 });
    const again = await createTestTrainer({ runDirectory });
    const result = await again.trainer.fit({ train: letterTasks, validation: letterTasks, steps: 3, resume: true });
    expect(result.curve.map(({ step, validation }) => [step, validation !== undefined])).toEqual([
      [0, true],
      [1, false],
      [2, true],
      [3, true],
    ]);
    expect(result.rollouts).toBe(3 * 32 + 3 * 8);
  });

  it('ends at once when it is resumed after its end', async () => {
    const { trainer, runDirectory } = await createTestTrainer();
    const first = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 2 });
    const again = await createTestTrainer({
      runDirectory,
      rollout: () => {
        throw new Error('must not run');
      },
    });
    const second = await again.trainer.fit({ train: letterTasks, validation: letterTasks, steps: 2, resume: true });
    expect(second.curve).toEqual(first.curve);
    expect(again.backend.passes).toEqual([]);
  });

  it.each([
    ['seed', { seed: 9 }, {}, /seed = 0, and this one has 9/],
    ['algorithm', {}, { groupSize: 4 }, /algorithm\.groupSize = 8, and this one has 4/],
    ['control', { control: 'shuffled' }, {}, /control = none, and this one has shuffled/],
  ] as const)('is not resumed with another %s', async (_, options, algorithm, message) => {
    const { trainer, runDirectory } = await createTestTrainer();
    await trainer.fit({ train: letterTasks, steps: 1 });
    const { trainer: other } = await createTestTrainer({ ...options, runDirectory }, algorithm);
    await expect(other.fit({ train: letterTasks, steps: 2, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringMatching(message),
    });
  });

  it('begins when it was killed before its first file, and is refused in a directory of other things', async () => {
    const { trainer, runDirectory } = await createTestTrainer();
    await mkdir(runDirectory, { recursive: true });
    await writeFile(join(runDirectory, 'run.lock'), '');
    await writeFile(join(runDirectory, 'run.json.4711.partial'), '{"format"');
    expect((await trainer.fit({ train: letterTasks, steps: 1, resume: true })).steps).toBe(1);
    const elsewhere = await createTestTrainer();
    await mkdir(elsewhere.runDirectory, { recursive: true });
    await writeFile(join(elsewhere.runDirectory, 'notes.txt'), 'mine');
    await expect(elsewhere.trainer.fit({ train: letterTasks, steps: 1, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('holds no run to resume'),
    });
  });

  it('is not resumed on other tasks', async () => {
    const { trainer, runDirectory } = await createTestTrainer();
    await trainer.fit({ train: letterTasks, steps: 1 });
    const { trainer: other } = await createTestTrainer({ runDirectory });
    await expect(other.fit({ train: letterTasks.slice(1), steps: 2, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('train tasks'),
    });
  });

  it('keeps as many checkpoints as it was told, every so many steps', async () => {
    const { trainer, runDirectory } = await createTestTrainer({ checkpointEvery: 2, keepCheckpoints: 3 });
    await trainer.fit({ train: letterTasks, steps: 7 });
    expect(await readdir(join(runDirectory, 'checkpoints'))).toEqual(['step-000004', 'step-000006', 'step-000007']);
  });
});

describe('a checkpoint', () => {
  it('is found again when a process was killed while it replaced its only one', async () => {
    const { trainer, runDirectory } = await createTestTrainer({ keepCheckpoints: 1 });
    await trainer.fit({ train: letterTasks, steps: 2 });
    const checkpoints = join(runDirectory, 'checkpoints');
    await rename(join(checkpoints, 'step-000002'), join(checkpoints, 'replaced-step-000002'));
    const again = await createTestTrainer({ runDirectory, keepCheckpoints: 1 });
    await again.trainer.fit({ train: letterTasks, steps: 3, resume: true });
    expect(again.backend.published).toEqual([2, 3]);
    expect(await readdir(checkpoints)).toEqual(['step-000003']);
  });

  it('has its time in the line after it', async () => {
    const onSave = (): void => {
      const startedAtMs = performance.now();
      while (performance.now() - startedAtMs < 2);
    };
    const backend = new BigramBackend({ onSave });
    const { trainer, runDirectory } = await createTestTrainer({ backend, checkpointEvery: 2 });
    await trainer.fit({ train: letterTasks, steps: 4 });
    const seconds = (await readMetrics(runDirectory)).map(({ seconds: { checkpoint } }) => checkpoint > 0);
    expect(seconds).toEqual([true, false, true, false]); // before the first step, and after the second
  });
});

describe('a run in a process that ends', () => {
  it('survives SIGKILL: redoes at most one step, loses no acknowledged rollout, and comes to the same end', async () => {
    const runDirectory = await createRunDirectory();
    const killed = await runProcess(runDirectory, { endIn: ['run.s4.g2.k3', 'SIGKILL'] });
    expect(killed.signal).toBe('SIGKILL');
    const before = await succeededRollouts(runDirectory);
    const resumed = await runProcess(runDirectory, { resume: true });
    expect(resumed.output).toMatch(/resuming after step 3 of 6/);
    expect(resumed.code).toBe(0);
    const after = await succeededRollouts(runDirectory);
    expect(after).toEqual(expect.arrayContaining([...before]));
    expect(new Set(after.map((id) => id.replace(/\.r\d+$/, ''))).size).toBe(steps * 32 + 2 * 8);
    expect(await readSteps(runDirectory)).toEqual([1, 2, 3, 4, 5, 6]);
    const result = JSON.parse(resumed.output.trim().split('\n').at(-1)!) as TrainingResult;
    expect(result.curve).toEqual((await undisturbed()).curve);
  });

  it('saves on Ctrl+C, and ends by itself', async () => {
    const runDirectory = await createRunDirectory();
    const stopped = await runProcess(runDirectory, { endIn: ['run.s3.g2.k3', 'SIGINT'] });
    expect(stopped).toMatchObject({ code: 0, signal: null });
    expect(stopped.output).toMatch(/SIGINT: saving and stopping/);
    const result = JSON.parse(stopped.output.trim().split('\n').at(-1)!) as TrainingResult;
    expect(result).toMatchObject({ stopReason: 'interrupted', steps: 2 });
    expect((await readdir(join(runDirectory, 'checkpoints'))).at(-1)).toBe('step-000002');
  });
});
