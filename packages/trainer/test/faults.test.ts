import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { emitReward } from '@agent-lightning/tracing';
import { MemoryStore } from '@agent-lightning/store';
import { StoreError, type Lease, type Rollout } from '@agent-lightning/core';
import type { RolloutFunction, RunnerHooks } from '@agent-lightning/runner';
import { Gateway } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { describe, expect, it } from 'vitest';
import {
  type GrpoLine as StepMetrics,
  createFolder,
  createRunDirectory,
  createTestTrainer,
  readMetrics,
  readReport,
} from './run-folder.ts';
import type { TrainerOptions } from '../src/index.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, type LetterTask } from './letter-task.ts';

const tasks = letterTasks;

async function fitWith(
  rollout: RolloutFunction<LetterTask>,
  steps = 6,
  options: Partial<TrainerOptions<LetterTask>> = {},
): Promise<{ readonly metrics: readonly StepMetrics[]; readonly error: unknown; readonly runDirectory: string }> {
  const { trainer, runDirectory } = await createTestTrainer(
    { rollout, noSignalPatience: 2, ...options },
    { tasksPerStep: 2, groupSize: 4, extendFailed: 0 },
  );
  let error: unknown;
  await trainer.fit({ train: tasks, steps }).catch((thrown: unknown) => {
    error = thrown;
  });
  return { metrics: await readMetrics(runDirectory), error, runDirectory };
}

/** An agent that does its work on some samples and something else on the others. */
function sometimes(other: RolloutFunction<LetterTask>): RolloutFunction<LetterTask> {
  return (task, context) =>
    Number(context.rollout.metadata['sample']) % 4 === 3 ? other(task, context) : answerLetter(task, context);
}

describe('rollouts that go wrong are data', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no such table');
      },
      'agent-failed',
    ],
    ['returns NaN', () => Number.NaN, 'reward-invalid'],
    ['returns Infinity', () => Infinity, 'reward-invalid'],
    ['returns a string', () => '1' as unknown as number, 'reward-invalid'],
  ] as const)('an agent that %s', async (_, other, code) => {
    const { metrics, error } = await fitWith(sometimes(other), 2);
    expect(error).toBeUndefined();
    expect(metrics.map(({ failed, failures, withoutReward }) => ({ failed, failures, withoutReward }))).toEqual(
      Array.from({ length: 2 }, () => ({ failed: 2, failures: { [code]: 2 }, withoutReward: 0 })),
    );
  });

  it('an agent that hangs', async () => {
    const attemptTimeoutMs = 54_321;
    using time = holdTimers(attemptTimeoutMs);
    let [hanging, answered] = [0, 0];
    // The time of both that hang in a step is over once the six others have answered.
    const endTime = (): void => {
      if (hanging % 2 === 0 && answered === 3 * hanging) time.end();
    };
    const hang = async (): Promise<number> => {
      hanging += 1;
      endTime();
      return await new Promise(() => undefined);
    };
    const onRolloutEnd: RunnerHooks['onRolloutEnd'] = ({ outcome }) => {
      if (outcome.status !== 'succeeded') return;
      answered += 1;
      endTime();
    };
    const { metrics } = await fitWith(sometimes(hang), 2, { attemptTimeoutMs, hooks: { onRolloutEnd } });
    expect(metrics.map(({ failed, failures }) => ({ failed, failures }))).toEqual(
      Array.from({ length: 2 }, () => ({ failed: 2, failures: { 'timed-out': 2 } })),
    );
  });

  it('an agent that throws after it emitted a reward', async () => {
    const { metrics } = await fitWith(
      sometimes(async (task, context) => {
        await askLetter(task, context);
        emitReward(100);
        throw new Error('broken');
      }),
      1,
    );
    expect(metrics[0]).toMatchObject({ failed: 2, withoutReward: 0 });
    expect(metrics[0]!.reward.mean).toBeLessThanOrEqual(1);
  });

  it('each kind of failure is told once, with an example, and counted in the report', async () => {
    const rollout = sometimes(() => {
      throw new Error('no such table');
    });
    const { trainer, logger } = await createTestTrainer({ rollout }, { extendFailed: 0 });
    const { reportPath } = await trainer.fit({ train: tasks, steps: 2 });
    expect(logger.lines.filter((line) => line.includes('agent-failed'))).toEqual([
      expect.stringMatching(
        /^warning: step 1: 8 of 32 rollouts \(25 %\) failed with agent-failed, such as run-\w+\.s1\.g0\.k3: no such table\. Who causes this is not known, so they count with reward 0; .*failures: \{ PaymentError: 'world' \}/,
      ),
    ]);
    const { failures } = (await readReport(reportPath)).reply('examples');
    expect(failures).toMatchObject([{ code: 'agent-failed', kind: 'unknown', count: 16 }]);
    expect(failures[0].items[0]).toMatchObject({ failure: 'agent-failed', message: 'no such table' });
  });

  it('an agent that never calls the model', async () => {
    const { metrics, error } = await fitWith(
      sometimes(() => 1),
      2,
    );
    expect(error).toBeUndefined();
    expect(metrics[0]).toMatchObject({ failed: 0, withoutCalls: 2, withoutReward: 0, transitions: 6 });
  });

  it('a validation counts them as 0', async () => {
    const { trainer } = await createTestTrainer({
      rollout: (task, context) => {
        if (context.mode === 'val' && task.letter === 'a') {
          emitReward(1);
          throw new Error('broken');
        }
        return context.mode === 'val' ? 1 : answerLetter(task, context);
      },
    });
    const result = await trainer.fit({ train: tasks, validation: tasks.slice(0, 4), steps: 1 });
    expect(result.validationBefore).toBe(0.75);
  });
});

describe('a run without signal stops, and says why', () => {
  it.each([
    [
      'every rollout fails',
      () => {
        throw new Error('no such table');
      },
      1,
      /all 8 rollouts failed, 8 of them with agent-failed: "no such table"/,
    ],
    ['no agent calls the model', () => 1, 1, /made no model call that trains; wrap the agent by withLightning/],
    [
      'nobody gives a reward',
      (task, context) => void askLetter(task, context).catch(() => undefined),
      1,
      /made no model call|has a reward/,
    ],
    [
      'rewards are always equal',
      async (task, context) => (await askLetter(task, context), 0.5),
      2,
      /every reward is 0\.5/,
    ],
  ] satisfies [string, RolloutFunction<LetterTask>, number, RegExp][])('%s', async (_, rollout, steps, message) => {
    const { metrics, error, runDirectory } = await fitWith(rollout);
    expect(error).toMatchObject({ code: 'no-signal', message: expect.stringMatching(message) });
    expect(metrics).toHaveLength(steps);
    const { outcome } = (await readReport(join(runDirectory, 'report.html'))).reply('');
    expect(outcome).toContain('stopped: training stopped after step');
  });

  it('rollouts without a reward', async () => {
    const { error } = await fitWith(async (task, context) => void (await askLetter(task, context)));
    expect(error).toMatchObject({
      code: 'no-signal',
      message: expect.stringContaining('none of 8 rollouts has a reward'),
    });
  });

  it('calls that are all too long for the backend', async () => {
    const { trainer } = await createTestTrainer({ backend: new BigramBackend({ maxSampleTokens: 1 }) });
    await expect(trainer.fit({ train: tasks, steps: 2 })).rejects.toMatchObject({
      code: 'no-signal',
      message: expect.stringMatching(/32 model calls arrived and none can be trained on.*at most 1/),
    });
  });

  it('warns about a step that taught nothing, and goes on', async () => {
    const { trainer, logger } = await createTestTrainer(
      {
        rollout: async (task, context) => {
          const reward = await answerLetter(task, context);
          return context.rollout.metadata['step'] === 1 ? 0 : reward;
        },
      },
      { extendFailed: 0 },
    );
    await trainer.fit({ train: tasks, steps: 2 });
    expect(logger.lines.filter((line) => line.startsWith('warning'))).toEqual([
      expect.stringMatching(/step 1 taught nothing: .*every reward is 0\)/),
    ]);
    const tables = logger.lines.filter((line) => line.startsWith('the model calls'));
    expect(tables).toEqual([
      expect.stringMatching(/^the model calls of step 1:\n.*\ntrained +\(no name\) +32 +the policy$/),
      expect.stringMatching(/^the model calls of all steps:\n.*\ntrained +\(no name\) +64 +the policy$/),
    ]);
  });
});

describe('numbers that are not finite', () => {
  it.each([
    ['loss', { lossOf: (step: number, loss: number) => (step === 3 ? Number.NaN : loss) }, /the loss of step 3 is NaN/],
    [
      'gradient norm',
      { gradientNormOf: (step: number, norm: number) => (step === 3 ? Infinity : norm) },
      /the gradient norm of step 3 is Infinity/,
    ],
  ])('stop the run, and the weights of the last good step are kept: %s', async (_, options, message) => {
    const { trainer, runDirectory } = await createTestTrainer({ backend: new BigramBackend(options) });
    await expect(trainer.fit({ train: tasks, steps: 5 })).rejects.toMatchObject({
      code: 'numerics',
      message: expect.stringMatching(message),
    });
    expect(await readdir(join(runDirectory, 'checkpoints'))).toEqual(['step-000001', 'step-000002']);
    const resumed = await createTestTrainer({ runDirectory });
    expect((await resumed.trainer.fit({ train: tasks, steps: 5, resume: true })).steps).toBe(5);
  });

  it('are never saved as the weights of the step before', async () => {
    const lossOf = (step: number, loss: number): number => (step === 3 ? Number.NaN : loss);
    const backend = new BigramBackend({ lossOf });
    const { trainer, runDirectory } = await createTestTrainer({ backend, checkpointEvery: 9 });
    await expect(trainer.fit({ train: tasks, steps: 5 })).rejects.toMatchObject({ code: 'numerics' });
    expect(await readdir(join(runDirectory, 'checkpoints'))).toEqual(['step-000000']);
  });
});

describe('where a run is kept', () => {
  it('ends the run by name when its store is full', async () => {
    const path = join(await createFolder(), 'store.sqlite');
    const store = await openSqliteStore({ path, maxSizeBytes: 400_000 });
    const { trainer, runDirectory } = await createTestTrainer({
      store,
      checkpointEvery: 50,
    });
    await expect(trainer.fit({ train: tasks, steps: 50 })).rejects.toMatchObject({
      code: 'store-full',
      message: expect.stringContaining(path),
    });
    const { step } = (await readMetrics(runDirectory)).at(-1)!;
    const checkpoints = await readdir(join(runDirectory, 'checkpoints'));
    expect(checkpoints.at(-1)).toBe(`step-${String(step).padStart(6, '0')}`); // no step that was done is lost
    await store.close();
  });

  it('saves the steps that are done when its runner can store nothing more', async () => {
    let ended = 0;
    class FullStore extends MemoryStore {
      override async complete(lease: Lease): Promise<Rollout> {
        if (++ended > 40) throw new StoreError('the store is full', { code: 'store-full' });
        return await super.complete(lease);
      }
    }
    const store = new FullStore();
    const { trainer, runDirectory } = await createTestTrainer({
      store,
      checkpointEvery: 50,
    });
    await expect(trainer.fit({ train: tasks, steps: 50 })).rejects.toMatchObject({ code: 'store-full' });
    expect(await readdir(join(runDirectory, 'checkpoints'))).toEqual(['step-000000', 'step-000001']);
    await store.close();
  });

  it('names a full disk', async () => {
    let saves = 0;
    const onSave = (): void => {
      if (++saves === 3) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    };
    const { trainer, runDirectory } = await createTestTrainer({ backend: new BigramBackend({ onSave }) });
    await expect(trainer.fit({ train: tasks, steps: 5 })).rejects.toMatchObject({
      code: 'disk-full',
      message: expect.stringContaining(runDirectory),
    });
    const resumed = await createTestTrainer({ runDirectory });
    expect((await resumed.trainer.fit({ train: tasks, steps: 5, resume: true })).steps).toBe(5);
  });

  it('names a directory that cannot be written', async () => {
    const file = join(await createFolder(), 'file');
    await writeFile(file, '');
    const { trainer } = await createTestTrainer({ runDirectory: join(file, 'run') });
    await expect(trainer.fit({ train: tasks })).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining(file),
    });
  });

  it('lets one run at a time into a directory', async () => {
    const entered = Promise.withResolvers<void>();
    const leave = Promise.withResolvers<void>();
    const first = await createTestTrainer({
      rollout: async (task, context) => {
        entered.resolve();
        await leave.promise;
        return await answerLetter(task, context);
      },
    });
    const running = first.trainer.fit({ train: tasks, steps: 1 });
    await entered.promise;
    const second = await createTestTrainer({ runDirectory: first.runDirectory });
    await expect(second.trainer.fit({ train: tasks, resume: true })).rejects.toMatchObject({ code: 'run-locked' });
    leave.resolve();
    await running;
  });

  it('does not write over a run, and does not resume among other files', async () => {
    const { trainer, runDirectory } = await createTestTrainer();
    await trainer.fit({ train: tasks, steps: 1 });
    await expect(trainer.fit({ train: tasks, steps: 1 })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('already holds a run'),
    });
    const other = join(runDirectory, '..', 'other');
    await mkdir(other);
    await writeFile(join(other, 'notes.txt'), 'mine');
    const { trainer: lost } = await createTestTrainer({ runDirectory: other });
    await expect(lost.fit({ train: tasks, resume: true })).rejects.toMatchObject({
      code: 'resume-mismatch',
      message: expect.stringContaining('holds no run'),
    });
  });
});

describe('what cannot work is refused before anything runs', () => {
  it('a loss that the backend does not have', async () => {
    const { trainer } = await createTestTrainer({ backend: new BigramBackend({ losses: ['cispo'] }) });
    await expect(trainer.fit({ train: tasks })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining("'ppo'"),
    });
  });

  it('a temperature that the backend does not score at', async () => {
    const backend = new BigramBackend({ hasTemperature: false });
    const { trainer } = await createTestTrainer({ backend }, { temperature: 0.7 });
    await expect(trainer.fit({ train: tasks })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/the backend bigram scores at temperature 1 only.*sampled at 0.7/),
    });
    const { trainer: agreeing } = await createTestTrainer({ backend });
    expect((await agreeing.fit({ train: tasks, steps: 1 })).steps).toBe(1);
  });

  it('an optimizer parameter that the server fixes otherwise, by the option that agrees with it', async () => {
    const backend = new BigramBackend({ fixedAdam: { beta1: 0.9, epsilon: 1e-6 } });
    const { trainer } = await createTestTrainer({ backend });
    await expect(trainer.fit({ train: tasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining(
        "would ignore epsilon 1e-8: its server's configuration says 0.000001; give grpo({ epsilon",
      ),
    });
    const { trainer: agreeing } = await createTestTrainer({ backend }, { epsilon: 1e-6 });
    expect((await agreeing.fit({ train: tasks, steps: 1 })).steps).toBe(1);
  });

  it.each([
    [{ train: [] }, 'at least one task'],
    [{ train: [undefined] }, 'fit: train[0]'],
    [{ train: tasks, steps: 0 }, 'fit: steps'],
    [{ train: tasks, steps: 1, epochs: 1 }, 'one at a time'],
    [{ train: tasks, validation: tasks, validationSubset: 99 }, 'validationSubset'],
  ])('fit(%j)', async (options, message) => {
    const { trainer } = await createTestTrainer();
    await expect(trainer.fit(options as never)).rejects.toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining(message),
    });
  });

  it.each([
    [{ runners: 0 }],
    [{ seed: -1 }],
    [{ control: 'reversed' }],
    [{ checkpointEvery: 0 }],
    [{ rollout: 1 }],
    [{ algorithm: {} }],
    [{ backend: {} }],
    [{ gateway: {} }],
  ])('new Trainer(%j)', async (options) => {
    const runDirectory = await createRunDirectory();
    await expect(createTestTrainer({ ...(options as object), runDirectory })).rejects.toMatchObject({
      code: 'option-invalid',
    });
  });

  it('a task without a kind', async () => {
    for (const taskKind of [
      () => {
        throw new Error('no kind');
      },
      () => undefined as unknown as string,
    ]) {
      const { trainer } = await createTestTrainer({ taskKind });
      await expect(trainer.fit({ train: tasks })).rejects.toMatchObject({
        code: 'option-invalid',
        message: expect.stringContaining('taskKind of {"letter":"a"'),
      });
    }
  });

  it('an algorithm that says how a given gateway should sample', async () => {
    const store = new MemoryStore();
    const gateway = await Gateway.start({ store });
    for (const algorithm of [{ temperature: 0.5 }, { maxTokens: 9 }])
      await expect(createTestTrainer({ store, gateway }, algorithm)).rejects.toMatchObject({
        code: 'option-invalid',
        message: expect.stringMatching(/^grpo\.(temperature|maxTokens) must be left out where a gateway is given/),
      });
    await gateway.close();
    await store.close();
  });

  it('a store that fails ends the run with its error', async () => {
    const store = new MemoryStore();
    const { trainer } = await createTestTrainer({
      store,
      rollout: async (task, context) => {
        await store.close();
        return await answerLetter(task, context);
      },
    });
    await expect(trainer.fit({ train: tasks, steps: 1 })).rejects.toMatchObject({ code: 'store-closed' });
  });
});
