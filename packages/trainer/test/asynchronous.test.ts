import { join } from 'node:path';
import { attributeNames, type BatchSample } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { describe, expect, it } from 'vitest';
import { grpo, Trainer, type TrainerOptions, type TrainingResult } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createFolder, createTestTrainer, readMetrics, recordingLogger } from './run-folder.ts';
import { runProcess, steps, succeededRollouts } from './run-process.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

const rolloutsOfStep = 4 * 8;
const stepOf = (rolloutId: string): number => Number(/\.s(\d+)\./.exec(rolloutId)?.[1]);

/** The rollouts that each pass of a backend was given. */
function trainedRollouts(backend: BigramBackend): readonly (readonly string[])[] {
  return backend.passes.map(({ rows }) => [...new Set(rows.map((row) => (row as BatchSample).rolloutId))]);
}

/** A backend that does not finish the first step's pass before half a step's rollouts of the second one have ended, and the hook for that. */
function slowBackend(): Pick<TrainerOptions<LetterTask>, 'backend' | 'hooks'> & { readonly backend: BigramBackend } {
  const ended = Promise.withResolvers<void>();
  let count = 0;
  return {
    backend: new BigramBackend({ onCall: (name) => (name === 'forwardBackward' ? ended.promise : undefined) }),
    hooks: {
      onRolloutEnd: ({ rollout }) =>
        void (stepOf(rollout.rolloutId) === 2 && ++count === rolloutsOfStep / 2 && ended.resolve()),
    },
  };
}

describe('sampling ahead', () => {
  it('runs the rollouts of the next step while a step trains', async () => {
    const begun = Promise.withResolvers<void>();
    const backend = new BigramBackend({
      // The pass of step 1 does not end before a rollout of step 2 has begun.
      onCall: (name) => (name === 'forwardBackward' ? begun.promise : undefined),
    });
    const { trainer } = await createTestTrainer({
      backend,
      maxStaleness: 1,
      rollout: async (task, context) => {
        if (stepOf(context.rollout.rolloutId) === 2) begun.resolve();
        return await answerLetter(task, context);
      },
    });
    expect((await trainer.fit({ train: letterTasks, steps: 2 })).steps).toBe(2);
  });

  it('trains every rollout once, in whole groups, none older than it may be, and says how old', async () => {
    const { trainer, backend, runDirectory } = await createTestTrainer({ maxStaleness: 2, ...slowBackend() });
    await trainer.fit({ train: letterTasks, steps: 6 });
    const metrics = await readMetrics(runDirectory);
    for (const { rollouts, transitions, stalenessMax, stalenessHistogram, staleCalls } of metrics) {
      expect([rollouts, transitions, staleCalls]).toEqual([rolloutsOfStep, rolloutsOfStep, 0]);
      expect(stalenessMax).toBeLessThanOrEqual(2);
      expect(Object.values(stalenessHistogram!).reduce((sum, count) => sum + count, 0)).toBe(transitions);
    }
    expect(metrics[1]!.stalenessMax).toBe(1); // a rollout of step 2 ended before step 1 was published
    // What is sampled depends on when a version is published, so that a step may come out without signal: it takes no pass.
    const trained = metrics.filter(({ optimizerSteps }) => optimizerSteps === 1).map(({ step }) => [step]);
    expect(trainedRollouts(backend).map((ids) => [...new Set(ids.map(stepOf))])).toEqual(trained);
    expect(trained.length).toBeGreaterThanOrEqual(3);
    expect(new Set(trainedRollouts(backend).flat()).size).toBe(trainedRollouts(backend).flat().length);
    expect(backend.published).toEqual([...backend.published.keys()]);
    expect(backend.published).toHaveLength(trained.length + 1);
  });

  it('corrects for the versions by the log-probabilities at sampling time, and still learns', async () => {
    const learns = { learningRate: 40, estimator: 'dr_grpo', groupSize: 16 } as const;
    const { trainer, runDirectory } = await createTestTrainer({ maxStaleness: 1, ...slowBackend() }, learns);
    const { curve } = await trainer.fit({ train: letterTasks.slice(0, 4), steps: 6 });
    expect(curve.at(-1)!.reward! - curve[0]!.reward!).toBeGreaterThan(0.2);
    const { klSamplerTrainer, effectiveSampleShare, ratioMax } = (await readMetrics(runDirectory))[1]!;
    expect(klSamplerTrainer).toBeGreaterThan(1e-6);
    expect(effectiveSampleShare).toBeLessThan(1 - 1e-6);
    expect(ratioMax).toBeGreaterThan(1.001);
  });

  it('validates on one version, that of the step, before what waits for later steps', async () => {
    const versions = new Map<unknown, Set<unknown>>();
    const { trainer } = await createTestTrainer({
      maxStaleness: 2,
      runners: 2,
      hooks: {
        onRolloutEnd: async ({ rollout, spans }) => {
          if (rollout.mode !== 'val') return;
          const seen = versions.get(rollout.metadata['step']) ?? new Set();
          versions.set(rollout.metadata['step'], seen);
          for (const { kind, attributes } of await spans())
            if (kind === 'model_call') seen.add(attributes[attributeNames.policyVersion]);
        },
      },
    });
    await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 4, validationEvery: 1 });
    expect([...versions].map(([step, seen]) => [step, [...seen]])).toEqual(
      [0, 1, 2, 3, 4].map((step) => [step, [step]]),
    );
  });

  it('leaves nothing queued when the run ends before its last step', async () => {
    const abort = new AbortController();
    const { trainer, runDirectory } = await createTestTrainer({
      maxStaleness: 3,
      runners: 1,
      signal: abort.signal,
      hooks: { onStep: () => abort.abort() },
    });
    expect(await trainer.fit({ train: letterTasks, steps: 6 })).toMatchObject({ stopReason: 'interrupted', steps: 1 });
    const again = await createTestTrainer({ runDirectory });
    const resumed = await again.trainer.fit({ train: letterTasks, steps: 2, resume: true });
    expect(resumed.steps).toBe(2);
    expect(again.logger.lines.join('\n')).toContain('0 rollouts of the process before run again');
  });

  it('leaves out, and counts, calls that a resumed run may not train any more; and goes on', async () => {
    const ended = { count: 0, all: Promise.withResolvers<void>() };
    const abort = new AbortController();
    const { trainer, runDirectory } = await createTestTrainer({
      maxStaleness: 2,
      signal: abort.signal,
      backend: new BigramBackend({ onCall: (name) => (name === 'forwardBackward' ? ended.all.promise : undefined) }),
      hooks: {
        onRolloutEnd: () => void (++ended.count === 3 * rolloutsOfStep && ended.all.resolve()),
        onStep: () => abort.abort(),
      },
    });
    await trainer.fit({ train: letterTasks, steps: 4 }); // version 0 samples steps 1 to 3, step 1 trains
    const again = await createTestTrainer({ runDirectory, noSignalPatience: 1 });
    const resumed = await again.trainer.fit({ train: letterTasks, steps: 4, resume: true });
    expect(resumed.steps).toBe(4);
    const metrics = await readMetrics(runDirectory);
    expect(metrics.map(({ staleCalls, noSignal, policyVersion }) => [staleCalls, noSignal, policyVersion])).toEqual([
      [0, undefined, 1],
      [rolloutsOfStep, 'stale', 1],
      [rolloutsOfStep, 'stale', 1],
      [0, undefined, 2],
    ]);
    expect(again.logger.lines.join('\n')).toMatch(/all 32 model calls are too old: version 0 of "policy" answered/);
  });

  it('samples and trains at once on the embedded backend, which is one engine', async () => {
    const folder = await createFolder();
    await createTinyCheckpoint(join(folder, 'model'));
    await using stack = new AsyncDisposableStack();
    const backend = embedded({ model: join(folder, 'model'), threads: 1 });
    stack.defer(() => backend.close());
    const trainer = new Trainer<LetterTask>({
      backend,
      maxStaleness: 1,
      rollout: async (task, context) => (/^[\0-\x7f]+$/.test(await askLetter(task, context)) ? 1 : 0),
      algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 0.05, maxTokens: 1 }),
      runDirectory: join(folder, 'run'),
      logger: recordingLogger(),
      progress: 'none',
      handleSignals: false,
    });
    const { curve } = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 8 });
    expect(curve.at(-1)!.reward! - curve[1]!.reward!).toBeGreaterThan(0.2);
    for (const { stalenessMax, staleCalls, klSamplerTrainer } of await readMetrics(join(folder, 'run'))) {
      expect([stalenessMax! <= 1, staleCalls]).toEqual([true, 0]);
      if (stalenessMax === 0) expect(Math.abs(klSamplerTrainer ?? 0)).toBeLessThan(1e-6);
    }
  });

  it('counts versions, not steps: one that taught nothing makes no call older', async () => {
    const { trainer, runDirectory } = await createTestTrainer({
      ...slowBackend(),
      maxStaleness: 1,
      noSignalPatience: 9,
      rollout: async (task, context) => {
        const reward = await answerLetter(task, context);
        return [2, 3].includes(stepOf(context.rollout.rolloutId)) ? 0 : reward;
      },
    });
    await trainer.fit({ train: letterTasks, steps: 6 });
    const metrics = await readMetrics(runDirectory);
    expect(metrics.map(({ policyVersion, staleCalls }) => [policyVersion, staleCalls])).toEqual(
      [1, 1, 1, 2, 3, 4].map((version) => [version, 0]),
    );
    expect(Math.max(...metrics.map(({ stalenessMax }) => stalenessMax!))).toBe(1);
  });

  it('survives SIGKILL: nothing acknowledged is lost, and no rollout trains twice', async () => {
    const runDirectory = join(await createFolder(), 'run');
    const killed = await runProcess(runDirectory, {
      maxStaleness: 2,
      onStep: (child, step) => step === 3 && child.kill('SIGKILL'),
    });
    expect(killed.signal).toBe('SIGKILL');
    const before = await succeededRollouts(runDirectory);
    const resumed = await runProcess(runDirectory, { resume: true, maxStaleness: 2 });
    expect(resumed.code).toBe(0);
    const after = await succeededRollouts(runDirectory);
    expect(after).toEqual(expect.arrayContaining([...before]));
    const unique = new Set(after.map((id) => id.replace(/\.r\d+$/, '')));
    expect([unique.size, after.length]).toEqual([steps * rolloutsOfStep + 2 * 8, unique.size]);
    const from = Number(/resuming after step (\d)/.exec(resumed.output)?.[1]);
    const { trained, ...result } = JSON.parse(resumed.output.trim().split('\n').at(-1)!) as TrainingResult & {
      readonly trained: readonly string[];
    };
    expect(result.steps).toBe(steps);
    expect(Math.min(...trained.map(stepOf))).toBe(from + 1); // what the checkpoint holds is not trained again
    expect(new Set(trained).size).toBe(trained.length);
    expect(trained.every((id) => after.includes(id))).toBe(true);
    const metrics = await readMetrics(runDirectory);
    expect(metrics.map(({ step, rollouts, staleCalls }) => [step, rollouts, staleCalls])).toEqual(
      [1, 2, 3, 4, 5, 6].map((step) => [step, rolloutsOfStep, 0]),
    );
  });
});

describe('a sampler that does not compute what the trainer does', () => {
  const far = { reportedShift: -2 } as const;

  it('stops the run, and says by how much they are apart', async () => {
    const { trainer, logger, runDirectory } = await createTestTrainer({
      backend: new BigramBackend(far),
      noSignalPatience: 2,
    });
    await expect(trainer.fit({ train: letterTasks, steps: 5 })).rejects.toMatchObject({
      code: 'off-policy',
      message: expect.stringMatching(
        /after step 2: for 2 steps .* by 4\.39 nats a token \(limit 1\), mean ratio 7\.39/,
      ),
    });
    expect(logger.lines.join('\n')).toContain('step 1 was off-policy');
    const [first] = await readMetrics(runDirectory);
    expect(first!.klSamplerTrainer).toBeCloseTo(Math.exp(2) - 3, 4);
    expect(first!.klSamplerTrainerK1).toBeCloseTo(-2, 4);
    expect(first!.effectiveSampleShare).toBeCloseTo(1, 6);
  });

  it('does not stop a run that allows it', async () => {
    const { trainer } = await createTestTrainer({ backend: new BigramBackend(far), maxDivergence: Infinity });
    expect((await trainer.fit({ train: letterTasks, steps: 4 })).steps).toBe(4);
  });
});
