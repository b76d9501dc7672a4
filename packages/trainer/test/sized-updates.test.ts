import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BackendError, type TrainablePolicy, type TrainingBackend } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { afterEach, describe, expect, it } from 'vitest';
import { grpo, Trainer, type GrpoOptions, type TrainerOptions } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { askAs } from './role-agent.ts';
import { withMethod } from './with-method.ts';
import {
  createFolder,
  createTestTrainer,
  readMetrics,
  recordingLogger,
  type RecordingLogger,
  readReport,
} from './run-folder.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

const backends: TrainingBackend[] = [];

afterEach(async () => {
  for (const backend of backends.splice(0)) await backend.close();
});

interface TinyRun {
  readonly trainer: Trainer<LetterTask>;
  readonly logger: RecordingLogger;
  readonly runDirectory: string;
}

/** A run that should answer in ASCII, on a tiny Llama whose weights all train. */
async function createTinyRun(
  folder: string,
  { breakAt, ...options }: Partial<TrainerOptions<LetterTask>> & { readonly breakAt?: number } = {},
  algorithm: GrpoOptions = {},
): Promise<TinyRun> {
  const model = join(folder, 'model');
  if (!(await readdir(folder).catch(() => [] as string[])).includes('model')) await createTinyCheckpoint(model);
  const backend = embedded({ model, threads: 1 });
  backends.push(backend);
  const logger = recordingLogger();
  const runDirectory = join(folder, 'run');
  const trainer = new Trainer<LetterTask>({
    backend: breakAt === undefined ? backend : breakingAt(backend, breakAt),
    rollout: async (task, context) => (/^[\0-\x7f]+$/.test(await askLetter(task, context)) ? 1 : 0),
    algorithm: grpo({ groupSize: 8, tasksPerStep: 4, maxTokens: 1, ...algorithm }),
    logger,
    progress: 'plain',
    handleSignals: false,
    ...options,
    runDirectory,
  });
  return { trainer, logger, runDirectory };
}

/** A backend whose policies fail at an optimizer step, after which nothing works any more: as if the process had died there. */
function breakingAt(backend: TrainingBackend, step: number): TrainingBackend {
  const createPolicy = async (spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> => {
    const policy = await backend.createPolicy(spec);
    let steps = 0;
    const optimStep: TrainablePolicy['optimStep'] = async (adam) => {
      steps += 1;
      if (steps === step) throw new BackendError('the machine is gone', { code: 'backend-failed' });
      return await policy.optimStep(adam);
    };
    return withMethod(policy, 'optimStep', optimStep);
  };
  return withMethod(backend, 'createPolicy', createPolicy);
}

const fit = { train: letterTasks, validation: letterTasks.slice(0, 2), steps: 3 };

describe('updates that size themselves', () => {
  it('are the default: the policy learns without a learning rate, and metrics, progress and report show how', async () => {
    const { trainer, logger, runDirectory } = await createTinyRun(await createFolder());
    const { curve, reportPath } = await trainer.fit({ ...fit, steps: 9 });
    expect(curve.at(-1)!.reward! - curve[1]!.reward!).toBeGreaterThan(0.2);
    const metrics = await readMetrics(runDirectory);
    for (const { movement, movementTarget, passes, optimizerSteps, learningRate, signalRatio, step } of metrics) {
      expect(movementTarget!).toBeGreaterThan(0);
      expect(movement! / movementTarget!).toBeLessThan(6);
      expect(passes).toBe(optimizerSteps);
      expect(passes).toBeLessThanOrEqual(step === 1 ? 30 : 8);
      expect(learningRate).toBeGreaterThanOrEqual(1e-6);
      expect(Math.abs(signalRatio!)).toBeLessThanOrEqual(1);
    }
    expect(metrics[0]!.movement! / metrics[0]!.movementTarget!).toBeGreaterThanOrEqual(1);
    expect(logger.lines.join('\n')).toMatch(
      /moved 0\.\d+ of 0\.\d+ nats in \d+ passes at [\d.e-]+ · signal -?[01]\.\d\d/,
    );
    const { charts } = (await readReport(reportPath)).reply('');
    const titles = charts.map(({ title }: { readonly title: string }) => title).join('\n');
    expect(titles).toContain('movement of the policy by an update');
    expect(titles).toContain('signal ratio');
  });

  it('go on from a checkpoint with the rate, the passes and the moments: a batch that broke off half-way is done again', async () => {
    const whole = await createTinyRun(await createFolder());
    const expected = await whole.trainer.fit(fit);
    const lines = await readMetrics(whole.runDirectory);
    const secondPassOfStepTwo = lines[0]!.optimizerSteps + 2;
    expect(lines[1]!.optimizerSteps).toBeGreaterThanOrEqual(2);

    const folder = await createFolder();
    const broken = await createTinyRun(folder, { breakAt: secondPassOfStepTwo });
    await expect(broken.trainer.fit(fit)).rejects.toMatchObject({ code: 'backend-failed' });
    const state = JSON.parse(
      await readFile(join(broken.runDirectory, 'checkpoints', 'step-000001', 'grpo.json'), 'utf8'),
    ) as { sizing: Record<string, object> };
    expect(state.sizing['policy']).toMatchObject({ batches: 1, passes: lines[0]!.passes });

    const resumed = await createTinyRun(folder);
    const { curve, validationAfter } = await resumed.trainer.fit({ ...fit, resume: true });
    expect({ curve, validationAfter }).toEqual({ curve: expected.curve, validationAfter: expected.validationAfter });
    const figures = (all: typeof lines): unknown =>
      all.map(({ movement, passes, learningRate, signalRatio, loss }) => [
        movement,
        passes,
        learningRate,
        signalRatio,
        loss,
      ]);
    expect(figures(await readMetrics(resumed.runDirectory))).toEqual(figures(lines));
    expect(await exported(resumed.runDirectory)).toEqual(await exported(whole.runDirectory));
  });

  it('are each policy’s own: one finds its size while another has a fixed rate', async () => {
    const isAscii = (text: string): boolean => /^[\0-\x7f]+$/.test(text);
    const { trainer, runDirectory } = await createTinyRun(await createFolder(), {
      policies: {
        writer: { agentMatch: 'write' },
        planner: { agentMatch: 'plan', learningRate: 1e-4 },
        critic: { agentMatch: 'criticise' },
      },
      rollout: async ({ letter }) =>
        (isAscii(await askAs('write', letter)) ? 0.5 : 0) +
        (isAscii(await askAs('plan', letter)) ? 0 : 0.25) +
        (isAscii(await askAs('criticise', letter)) ? 0 : 0.25),
    });
    await trainer.fit({ train: letterTasks, steps: 2 });
    const [, second] = await readMetrics(runDirectory);
    const { writer, planner, critic } = second!.policies!;
    expect(planner).toMatchObject({ passes: 1, learningRate: 1e-4 });
    expect(planner!.movement).toBeUndefined();
    expect(writer!.movement).not.toBe(critic!.movement);
    expect([writer!.movement, writer!.movementTarget, writer!.signalRatio].every(Number.isFinite)).toBe(true);
    expect(second!.passes).toBe(Math.max(writer!.passes, critic!.passes));
  });
});

describe('an update that goes much too far', () => {
  it('ends the run by name, before anything of it is published', async () => {
    const backend = new BigramBackend({ learningRateScale: 1e9 });
    const { trainer, runDirectory } = await createTestTrainer(
      { backend },
      { learningRate: 'auto', maxGradientNorm: 1 },
    );
    await expect(trainer.fit({ train: letterTasks, steps: 3 })).rejects.toMatchObject({
      code: 'update-too-large',
      message: expect.stringMatching(/^step 1 moved the policy "policy" by .* at the learning rate 0\.00000100;/),
    });
    expect(backend.published).toEqual([0]);
    expect(await readdir(join(runDirectory, 'checkpoints'))).toEqual(['step-000000']);
  });
});

describe('several passes at a fixed rate', () => {
  it('are optimizer steps over the whole batch, each dealt into minibatches anew', async () => {
    const { trainer, backend, runDirectory } = await createTestTrainer(
      {},
      { passes: 3, minibatches: 2, learningRate: 0.1 },
    );
    await trainer.fit({ train: letterTasks, steps: 1 });
    const sizes = backend.passes.map(({ rows }) => rows.length);
    expect(sizes).toHaveLength(6);
    const [one, two, three] = [0, 2, 4].map((first) => sizes[first]! + sizes[first + 1]!);
    expect([two, three]).toEqual([one, one]);
    const [line] = await readMetrics(runDirectory);
    expect(line).toMatchObject({ optimizerSteps: 6, passes: 3, learningRate: 0.1 });
    expect(line!.movement).toBeUndefined();
  });
});

describe('a learning rate that nobody gave', () => {
  it('is fixed on a backend that cannot score an update, and the run says so', async () => {
    const backend = new BigramBackend({ scoresUpdates: false, trainedWeights: 'adapter' });
    const { logger, trainer } = await createTestTrainer({ backend }, { learningRate: undefined as never });
    await trainer.fit({ train: letterTasks, steps: 1 });
    expect(backend.adamSteps[0]!.learningRate).toBe(2e-5);
    expect(logger.lines.join('\n')).toMatch(
      /warning: the learning rate is fixed at 0\.00002, the default for an adapter, and not 'auto': the backend cannot score/,
    );
  });

  it('cannot be auto there: the run is refused before it begins', async () => {
    const backend = new BigramBackend({ scoresUpdates: false });
    const { trainer } = await createTestTrainer({ backend }, { learningRate: 'auto' });
    await expect(trainer.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({ code: 'option-unsupported' });
    await expect(trainer.dev({ tasks: letterTasks })).rejects.toMatchObject({ code: 'option-unsupported' });
  });
});

async function exported(runDirectory: string): Promise<Buffer> {
  return await readFile(join(runDirectory, 'model', 'model.safetensors'));
}
