import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import type { BatchSample, Loss, RolloutExcerpt } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { BigramBackend } from './bigram-backend.ts';
import { askLetter, letterTasks } from './letter-task.ts';
import { createRunDirectory, createTestTrainer, readMetrics, readReport } from './run-folder.ts';

const learns = { learningRate: 40, estimator: 'dr_grpo', groupSize: 16 } as const;
/** Learns within a few steps: each has all letters. */
const learnsSoon = { learningRate: 150, estimator: 'dr_grpo', groupSize: 8, tasksPerStep: 8 } as const;
const soon = 8;

describe('Trainer.fit', () => {
  it('raises the held-out reward of an agent that learns, and says so', async () => {
    const { trainer, runDirectory } = await createTestTrainer({ taskKind: (task) => task.kind }, learnsSoon);
    const result = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: soon, validationEvery: 3 });
    expect(result).toMatchObject({
      stopReason: 'completed',
      steps: soon,
      runDirectory,
      rollouts: soon * 64 + 4 * 8,
      transitions: soon * 64,
    });
    expect(result.validationBefore).toBeLessThan(0.2);
    expect(result.validationAfter).toBeGreaterThan(0.8);
    expect(result.curve.map(({ step }) => step)).toEqual(Array.from({ length: soon + 1 }, (_, step) => step));
    expect(result.curve.filter(({ validation }) => validation !== undefined).map(({ step }) => step)).toEqual([
      0, 3, 6, 8,
    ]);
    expect(JSON.parse(await readFile(join(result.modelDirectory!, 'state.json'), 'utf8'))).toHaveProperty('logits');
    expect((await readReport(result.reportPath)).reply('metrics').lines).toHaveLength(soon);
  });

  it('does not learn from shuffled rewards', async () => {
    const { trainer, runDirectory } = await createTestTrainer({ control: 'shuffled' }, learnsSoon);
    const result = await trainer.fit({ train: letterTasks, validation: letterTasks, steps: soon });
    expect(result.validationAfter! - result.validationBefore!).toBeLessThan(0.2);
    const [first] = await readMetrics(runDirectory);
    expect(first!.reward.mean).toBe(result.curve[1]!.reward);
  });

  it('shuffles rewards anew in each step', async () => {
    const { trainer, backend } = await createTestTrainer({
      control: 'shuffled',
      rollout: async (task, context) => {
        await askLetter(task, context);
        return Number(context.rollout.metadata['sample']) < 4 ? 1 : 0; // the same in every step
      },
    });
    await trainer.fit({ train: letterTasks, steps: 3 });
    const praised = backend.passes.map(({ rows }) =>
      rows
        .filter(({ advantages }) => Math.max(...advantages) > 0)
        .map((row) => (row as BatchSample).rolloutId.replace(/^.*\.(g\d+\.k\d+)$/, '$1'))
        .sort()
        .join(' '),
    );
    expect(new Set(praised).size).toBe(3);
  });

  it('writes a line for each step', async () => {
    const { trainer, runDirectory, backend } = await createTestTrainer({ taskKind: (task) => task.kind });
    await trainer.fit({
      train: letterTasks,
      validation: letterTasks.slice(0, 3),
      steps: 3,
      validationEvery: 1,
      validationSubset: 2,
    });
    const metrics = await readMetrics(runDirectory);
    expect(metrics.map(({ step, policyVersion, epoch }) => [step, policyVersion, epoch])).toEqual([
      [1, 1, 0],
      [2, 2, 0],
      [3, 3, 1],
    ]);
    expect(metrics.map(({ validation }) => [validation!.rollouts, validation!.complete])).toEqual([
      [2, false],
      [2, false],
      [3, true],
    ]);
    expect(backend.published).toEqual([0, 1, 2, 3]);
    const [first] = metrics;
    expect(first).toMatchObject({
      rollouts: 32,
      succeeded: 32,
      failed: 0,
      failures: {},
      withoutCalls: 0,
      withoutReward: 0,
      transitions: 32,
      untrainableCalls: 0,
      tokensSampled: 32,
      optimizerSteps: 1,
      entropy: 1,
      ratioMean: expect.closeTo(1, 5),
      clipFraction: 0,
      klSamplerTrainer: expect.closeTo(0, 5),
      stalenessMean: 0,
      stalenessMax: 0,
      learningRate: 60,
    });
    expect(first!.groupsUsed + first!.groupsZeroVariance).toBe(4);
    expect(first!.samples).toBe(first!.tokensTrained);
    expect(first!.tokensProcessed).toBe(2 * first!.tokensTrained);
    expect(first!.gradientNorm).toBeGreaterThan(0);
    expect(Number.isFinite(first!.loss)).toBe(true);
    expect(Object.keys(first!.reward.byKind)).toEqual(['even', 'odd']);
    expect(Object.keys(first!.seconds)).toEqual(['rollout', 'convert', 'train', 'publish', 'validate', 'checkpoint']);
    expect(first!.seconds.rollout).toBeGreaterThan(0);
  });

  it('gives the same rollouts for the same seed, and others for another', async () => {
    const curves: unknown[] = [];
    for (const seed of [1, 1, 2]) {
      const { trainer } = await createTestTrainer({ seed, runDirectory: await createRunDirectory() });
      curves.push((await trainer.fit({ train: letterTasks, steps: 2 })).curve);
    }
    expect(curves[1]).toEqual(curves[0]);
    expect(curves[2]).not.toEqual(curves[0]);
  });

  it('runs one epoch unless it is told otherwise', async () => {
    const { trainer } = await createTestTrainer();
    expect((await trainer.fit({ train: letterTasks.slice(0, 4) })).steps).toBe(1);
    const { trainer: longer } = await createTestTrainer();
    expect((await longer.fit({ train: letterTasks.slice(0, 4), epochs: 2 })).steps).toBe(2);
  });

  it('ends with a result when there is nothing left to learn', async () => {
    const { trainer, logger } = await createTestTrainer({ noSignalPatience: 2 }, { ...learns, learningRate: 400 });
    const result = await trainer.fit({ train: letterTasks.slice(0, 2), steps: 200 });
    expect(result.stopReason).toBe('converged');
    expect(result.steps).toBeLessThan(200);
    expect(logger.lines.join('\n')).toContain('taught nothing');
  });

  it.each(['earns nothing any more', 'fails always'])('ends a control that %s with its verdict', async (fall) => {
    const { trainer } = await createTestTrainer({
      control: 'shuffled',
      noSignalPatience: 2,
      rollout: async (task, context) => {
        const { sample, step } = context.rollout.metadata;
        await askLetter(task, context);
        if (context.rollout.mode !== 'train') return 0.5;
        if (step === 1) return Number(sample) % 2;
        if (fall === 'fails always') throw new TypeError('not a number');
        return 0;
      },
    });
    const [train, validation] = [letterTasks.slice(0, 4), letterTasks.slice(4, 8)];
    const result = await trainer.fit({ train, validation, steps: 9, verdict: { step: 'last', samples: 1 } });
    expect(result).toMatchObject({ stopReason: 'converged', steps: 3, verdict: { answer: 'cannot-tell' } });
  });

  it('keeps a store open that it was given, with the rollouts of two runs apart', async () => {
    const store = new MemoryStore();
    const first = await createTestTrainer({ store });
    const second = await createTestTrainer({ store });
    const results = [
      await first.trainer.fit({ train: letterTasks, steps: 1 }),
      await second.trainer.fit({ train: letterTasks, steps: 1 }),
    ];
    expect(results[0]!.runId).not.toBe(results[1]!.runId);
    for (const { runId } of results) expect((await store.queryRollouts({ runId })).items).toHaveLength(32);
    await store.close();
  });

  it('trains again on the same backend from the base model', async () => {
    const backend = new BigramBackend();
    const curves: unknown[] = [];
    for (let time = 0; time < 2; time++) {
      const { trainer } = await createTestTrainer({ backend });
      curves.push((await trainer.fit({ train: letterTasks, steps: 3 })).curve);
    }
    expect(curves[1]).toEqual(curves[0]);
  });

  it('calls its hooks, and goes on when one throws', async () => {
    const calls: string[] = [];
    const { trainer, logger } = await createTestTrainer({
      hooks: {
        onStep: ({ step }) => {
          calls.push(`step ${step}`);
          throw new Error('hook broke');
        },
        onRolloutStart: () => void calls.push('start'),
        onRolloutEnd: () => void calls.push('end'),
      },
    });
    await trainer.fit({ train: letterTasks, steps: 2 });
    expect(calls.filter((call) => call === 'start')).toHaveLength(64);
    expect(calls.filter((call) => call === 'end')).toHaveLength(64);
    expect(calls.filter((call) => call.startsWith('step'))).toEqual(['step 1', 'step 2']);
    expect(logger.lines.filter((line) => line.includes('hook broke'))).toHaveLength(2);
  });
});

describe('grpo options in a run', () => {
  it('splits a step into minibatches', async () => {
    const { trainer, backend, runDirectory } = await createTestTrainer({}, { minibatches: 2, groupSize: 16 });
    await trainer.fit({ train: letterTasks.slice(0, 1), steps: 1 });
    expect(backend.passes).toHaveLength(2);
    expect(backend.adamSteps).toHaveLength(2);
    const [line] = await readMetrics(runDirectory);
    expect(line!.ratioMax).toBeGreaterThan(1); // the second minibatch is scored after the first one's update,
    expect(line!.klSamplerTrainer).toBeCloseTo(0, 6); // which says nothing of whether sampler and trainer agree
    const kept = JSON.parse(await readFile(join(runDirectory, 'samples', 'first.json'), 'utf8')) as {
      readonly rollouts: readonly RolloutExcerpt[];
    };
    const ratios = kept.rollouts.flatMap(({ samples }) =>
      samples.flatMap(({ lossMask, logprobs, trainerLogprobs }) =>
        lossMask.flatMap((bit, index) => (bit === 1 ? Math.exp(trainerLogprobs![index]! - logprobs[index]!) : [])),
      ),
    );
    expect(ratios.some((ratio) => Math.abs(ratio - 1) < 1e-4)).toBe(true); // of the first minibatch
    expect(ratios.some((ratio) => Math.abs(ratio - 1) > 1e-3)).toBe(true); // of the second
    expect(Math.max(...ratios)).toBeLessThanOrEqual(line!.ratioMax! + 1e-4);
  });

  it.each([
    [{}, { name: 'ppo', clipLow: 0.8, clipHigh: 1.28, dualClip: 3 }],
    [{ dualClip: false }, { name: 'ppo', clipLow: 0.8, clipHigh: 1.28 }],
    [
      { loss: 'cispo', clipHigh: 3 },
      { name: 'cispo', clipLow: 0, clipHigh: 3 },
    ],
    [{ loss: 'importance_sampling' }, { name: 'importance_sampling' }],
  ] as const)('hands the loss of %j to the backend', async (options, loss: Loss) => {
    const { trainer, backend } = await createTestTrainer({}, options);
    await trainer.fit({ train: letterTasks, steps: 1 });
    expect(backend.passes[0]!.loss).toEqual(loss);
  });

  it('hands the optimizer its parameters, warmed up', async () => {
    const { trainer, backend } = await createTestTrainer(
      {},
      {
        learningRate: 0.03,
        warmupSteps: 2,
        beta1: 0.8,
        beta2: 0.9,
        epsilon: 1e-6,
        weightDecay: 0.1,
        maxGradientNorm: 2,
      },
    );
    await trainer.fit({ train: letterTasks, steps: 4 });
    expect(backend.adamSteps.map(({ learningRate }) => learningRate)).toEqual(
      [0.01, 0.02, 0.03, 0.03].map((rate) => expect.closeTo(rate, 12)),
    );
    expect(backend.adamSteps[0]).toMatchObject({
      beta1: 0.8,
      beta2: 0.9,
      epsilon: 1e-6,
      weightDecay: 0.1,
      maxGradientNorm: 2,
    });
  });

  it('pulls towards the base model when asked to, and measures the distance', async () => {
    const plain = await createTestTrainer({}, learns);
    await plain.trainer.fit({ train: letterTasks, steps: 5 });
    expect(plain.backend.basePasses).toBe(0);
    const pulled = await createTestTrainer({}, { ...learns, klCoefficient: 0.2 });
    await pulled.trainer.fit({ train: letterTasks, steps: 5 });
    expect(pulled.backend.basePasses).toBe(5);
    expect(Math.hypot(...pulled.backend.policy!.logits)).toBeLessThan(Math.hypot(...plain.backend.policy!.logits));
    const metrics = await readMetrics(pulled.runDirectory);
    expect(metrics.at(-1)!.klBase).toBeGreaterThan(0);
  });

  it('weighs tokens as told: the sum of the absolute weights tells the rules apart', async () => {
    const sums: number[] = [];
    for (const tokenWeighting of ['rollout', 'token', { constant: 10 }] as const) {
      const { trainer, backend } = await createTestTrainer({}, { tokenWeighting, estimator: 'reinforce++' });
      await trainer.fit({ train: letterTasks, steps: 1 });
      sums.push(
        backend.passes[0]!.rows.reduce(
          (sum, row) => sum + row.advantages.reduce((total, value) => total + Math.abs(value), 0),
          0,
        ),
      );
    }
    expect(sums[1]).toBeCloseTo(sums[0]!, 5); // one token each
    expect(sums[2]).toBeCloseTo(sums[0]! / 10, 5);
  });

  it('samples at the temperature of training, and greedily in validation', async () => {
    const temperatures = new Set<string>();
    const { trainer } = await createTestTrainer(
      {
        hooks: {
          onRolloutEnd: async ({ rollout, spans }) => {
            for (const span of await spans())
              if (span.kind === 'model_call')
                temperatures.add(`${rollout.mode} ${String(span.attributes['gen_ai.request.temperature'])}`);
          },
        },
      },
      { temperature: 1.5 },
    );
    await trainer.fit({ train: letterTasks, validation: letterTasks, steps: 1 });
    expect([...temperatures].sort()).toEqual(['train 1.5', 'val 0']);
  });

  it.each([0.5, 0.7, 1.3])('scores what was sampled at temperature %d as it was sampled', async (temperature) => {
    const { trainer, backend, runDirectory } = await createTestTrainer({}, { ...learns, groupSize: 8, temperature });
    await trainer.fit({ train: letterTasks, steps: 3 });
    const rows = backend.passes.flatMap((pass) => pass.rows);
    expect(new Set(rows.map((row) => row.temperature))).toEqual(new Set([temperature]));
    const metrics = await readMetrics(runDirectory);
    expect(metrics).toHaveLength(3);
    for (const { ratioMean, ratioMax, effectiveSampleShare, klSamplerTrainer, clipFraction } of metrics) {
      expect([ratioMean, ratioMax, effectiveSampleShare].map((value) => value?.toFixed(5))).toEqual(
        Array(3).fill('1.00000'),
      );
      expect(klSamplerTrainer).toBeCloseTo(0, 10);
      expect(clipFraction).toBe(0);
    }
  });

  it('estimates advantages by the estimator and credit that it is given', async () => {
    const norms: number[] = [];
    for (const options of [{ estimator: 'grpo' }, { estimator: 'dr_grpo' }, { credit: () => [0] }] as const) {
      const { trainer, backend } = await createTestTrainer({ noSignalPatience: 9 }, options);
      await trainer.fit({ train: letterTasks, steps: 1 });
      norms.push(
        backend.passes.reduce(
          (sum, { rows }) => sum + rows.reduce((total, row) => total + Math.abs(row.advantages[1]!), 0),
          0,
        ),
      );
    }
    expect(norms[0]).toBeGreaterThan(norms[1]! * 1.5);
    expect(norms[2]).toBe(0);
  });
});
