import { join } from 'node:path';
import { attributeNames, type BatchSample } from '@agent-lightning/core';
import { embedded, type EmbeddedBackend } from '@agent-lightning/embedded';
import { describe, expect, it } from 'vitest';
import { grpo, Trainer, type TrainingResult } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { orderRun, stepOf, type OrderedRunOptions } from './ordered-run.ts';
import { createFolder, createRunDirectory, createTestTrainer, readMetrics, recordingLogger } from './run-folder.ts';
import { runProcess, steps, succeededRollouts } from './run-process.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

const rolloutsOfStep = 4 * 8;

/** The rollouts that each pass of a backend was given. */
function trainedRollouts(backend: BigramBackend): readonly (readonly string[])[] {
  return backend.passes.map(({ rows }) => [...new Set(rows.map((row) => (row as BatchSample).rolloutId))]);
}

/** The options of a run of the letter task whose order does not depend on the machine. */
function ordered(shape: Partial<OrderedRunOptions<LetterTask, BigramBackend>> = {}) {
  const defaults = { rollout: answerLetter, maxStaleness: 1, steps: 6, groupSize: 8, tasksPerStep: 4 };
  return orderRun<LetterTask, BigramBackend>({ backend: new BigramBackend(), ...defaults, ...shape });
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
    const { trainer, backend, runDirectory } = await createTestTrainer(ordered({ maxStaleness: 2 }));
    await trainer.fit({ train: letterTasks, steps: 6 });
    const metrics = await readMetrics(runDirectory);
    for (const { step, rollouts, transitions, stalenessHistogram, staleCalls } of metrics) {
      expect([rollouts, transitions, staleCalls]).toEqual([rolloutsOfStep, rolloutsOfStep, 0]);
      // Of a group of eight, three samples are as old as they may be, and two are new.
      const old = { 1: { 0: 32 }, 2: { 1: 24, 0: 8 } }[step] ?? { 2: 12, 1: 12, 0: 8 };
      expect(stalenessHistogram).toEqual(old);
    }
    expect(metrics.map(({ optimizerSteps }) => optimizerSteps)).toEqual([1, 1, 1, 1, 1, 1]);
    trainedRollouts(backend).forEach((ids, index) => expect(new Set(ids.map(stepOf))).toEqual(new Set([index + 1])));
    expect(new Set(trainedRollouts(backend).flat()).size).toBe(trainedRollouts(backend).flat().length);
    expect(backend.published).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('corrects for the versions by the log-probabilities at sampling time, and still learns', async () => {
    const learns = { learningRate: 100, estimator: 'dr_grpo', groupSize: 16 } as const;
    const { trainer, runDirectory } = await createTestTrainer(ordered({ groupSize: 16 }), learns);
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
    const shape = { steps: 8, groupSize: 8, tasksPerStep: 4 };
    const trainer = new Trainer<LetterTask>({
      ...orderRun<LetterTask, EmbeddedBackend>({
        backend,
        maxStaleness: 1,
        rollout: async (task, context) => (/^[\0-\x7f]+$/.test(await askLetter(task, context)) ? 1 : 0),
        ...shape,
      }),
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
      ...ordered({
        rollout: async (task, context) => {
          const reward = await answerLetter(task, context);
          return [2, 3].includes(stepOf(context.rollout.rolloutId)) ? 0 : reward;
        },
      }),
      noSignalPatience: 9,
    });
    await trainer.fit({ train: letterTasks, steps: 6 });
    const metrics = await readMetrics(runDirectory);
    expect(metrics.map(({ policyVersion, staleCalls }) => [policyVersion, staleCalls])).toEqual(
      [1, 1, 1, 2, 3, 4].map((version) => [version, 0]),
    );
    expect(metrics.map(({ stalenessMax }) => stalenessMax)).toEqual([0, 1, 0, 0, 1, 1]);
  });

  it('survives SIGKILL: nothing acknowledged is lost, and no rollout trains twice', async () => {
    const runDirectory = await createRunDirectory();
    // A rollout of step 6 begins when step 3 is saved, and step 6 waits for it.
    const killed = await runProcess(runDirectory, { maxStaleness: 2, endIn: ['run.s6.g2.k3', 'SIGKILL'] });
    expect(killed.signal).toBe('SIGKILL');
    const before = await succeededRollouts(runDirectory);
    const resumed = await runProcess(runDirectory, { resume: true, maxStaleness: 2 });
    expect(resumed.code).toBe(0);
    const after = await succeededRollouts(runDirectory);
    expect(after).toEqual(expect.arrayContaining([...before]));
    const unique = new Set(after.map((id) => id.replace(/\.r\d+$/, '')));
    expect([unique.size, after.length]).toEqual([steps * rolloutsOfStep + 2 * 8, unique.size]);
    const from = Number(/resuming after step ([345]) of 6/.exec(resumed.output)?.[1]);
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
