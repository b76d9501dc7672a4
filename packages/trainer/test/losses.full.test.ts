import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildBatch,
  type BatchSample,
  type Episode,
  type LightningBatch,
  type TrainablePolicy,
  seededRandom,
} from '@agent-lightning/core';
import { embedded, type EmbeddedBackend } from '@agent-lightning/embedded';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grpo, type GrpoOptions } from '../src/index.ts';
import { trainOnBatch } from '../src/grpo/step/train-on-batch.ts';
import { BigramBackend } from './bigram-backend.ts';
import { letterTasks } from './letter-task.ts';
import { createTestTrainer } from './run-folder.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

const allLosses = ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'] as const;

describe('a loss that the backend does not build in', () => {
  let folder: string;
  let backend: EmbeddedBackend;
  let batch: LightningBatch;
  let policies = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'trainer-losses-'));
    await createTinyCheckpoint(join(folder, 'model'));
    backend = embedded({ model: join(folder, 'model'), threads: 1 });
    batch = await sampledBatch(await backend.createPolicy({ name: 'sampler', seed: 0 }));
  });
  afterAll(async () => {
    await backend.close();
    await rm(folder, { recursive: true });
  });

  /** The log-probabilities of the batch after two training steps by the losses that the backend is said to have. */
  async function trained(
    options: GrpoOptions,
    losses: readonly (typeof allLosses)[number][],
  ): Promise<readonly Float32Array[]> {
    policies += 1;
    const policy = await backend.createPolicy({ name: `policy-${policies}`, seed: 0 });
    for (const step of [1, 2])
      await trainOnBatch(batch, {
        policy: { name: 'policy', agentMatch: undefined, learningRate: 0.02, policy },
        settings: grpo({ maxGradientNorm: 0, minibatches: 2, ...options }).config,
        builtIn: { losses, dualClip: true },
        step,
        random: seededRandom(0, `minibatches/${step}`),
        beforeUpdate: () => undefined,
        sizing: undefined,
        asked: batch.rolloutCount,
      });
    return await policy.forward(batch.samples);
  }

  it.each(['importance_sampling', 'ppo', 'cispo'] as const)(
    'gives the same weights by its derivative as built in: %s',
    async (loss) => {
      const [builtIn, surrogate] = [await trained({ loss }, allLosses), await trained({ loss }, ['cross_entropy'])];
      expect(largestGap(builtIn, await policyAtRest())).toBeGreaterThan(0.05);
      expect(largestGap(builtIn, surrogate)).toBeLessThan(2e-4);
    },
  );

  it('is used built in where another name means the same', async () => {
    const built = await trained({ loss: 'truncated_importance_sampling', clipHigh: 1.1 }, allLosses);
    const surrogate = await trained({ loss: 'truncated_importance_sampling', clipHigh: 1.1 }, ['cross_entropy']);
    expect(largestGap(built, surrogate)).toBeLessThan(2e-4);
  });

  it.each([
    { loss: 'gspo', clipLow: 0.5, clipHigh: 2 },
    { loss: 'icepop' },
    { loss: 'ppo', sequenceMask: { low: 0.7, high: 1.4 } },
    { loss: 'ppo', klCoefficient: 0.1, klPlacement: 'loss' },
  ] as const)('moves the weights: %j', async (options) => {
    expect(largestGap(await trained(options, allLosses), await policyAtRest())).toBeGreaterThan(0.01);
  });

  async function policyAtRest(): Promise<readonly Float32Array[]> {
    policies += 1;
    return await (await backend.createPolicy({ name: `policy-${policies}`, seed: 0 })).forward(batch.samples);
  }
});

describe('a run with a loss of ours', () => {
  const learns = { learningRate: 40, estimator: 'dr_grpo', groupSize: 16 } as const;

  it.each([
    { loss: 'gspo', clipLow: 0.9, clipHigh: 1.1 },
    { loss: 'truncated_importance_sampling', sequenceMask: { low: 0.5, high: 2 } },
  ] as const)('learns: %j', async (options) => {
    const backend = new BigramBackend({ losses: ['importance_sampling', 'cross_entropy'] });
    const { trainer } = await createTestTrainer({ backend }, { ...learns, ...options });
    const { curve } = await trainer.fit({ train: letterTasks.slice(0, 4), steps: 6 });
    expect(curve.at(-1)!.reward! - curve[0]!.reward!).toBeGreaterThan(0.2);
    expect(new Set(backend.passes.map(({ loss }) => loss.name))).toEqual(new Set(['cross_entropy']));
  });

  it('stays nearer to the base model with its KL in the loss', async () => {
    const norms: number[] = [];
    for (const options of [{}, { klCoefficient: 0.5, klPlacement: 'loss' }] as const) {
      const backend = new BigramBackend({ losses: ['ppo', 'cross_entropy'] });
      const { trainer } = await createTestTrainer({ backend }, { ...learns, ...options });
      await trainer.fit({ train: letterTasks, steps: 3 });
      norms.push(Math.hypot(...backend.policy!.logits));
      for (const row of backend.passes.flatMap(({ rows }) => rows as readonly BatchSample[]))
        for (const { start, end, advantage } of row.segments)
          // the pull is in the loss alone
          expect(row.tokenAdvantages.subarray(start, end)).toEqual(new Float64Array(end - start).fill(advantage));
    }
    expect(norms[1]).toBeLessThan(norms[0]!);
  });

  it('is refused by name where neither the loss nor a cross entropy is built in', async () => {
    const { trainer } = await createTestTrainer({ backend: new BigramBackend({ losses: ['ppo'] }) }, { loss: 'gspo' });
    await expect(trainer.fit({ train: letterTasks })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/loss 'gspo' nor with 'cross_entropy'.* one of ppo/),
    });
  });
});

describe('the calls of a training step', () => {
  it('are all made before the first one answers, each optimizer step after its pass', async () => {
    const calls: string[] = [];
    const snapshot = Promise.withResolvers<void>();
    const backend = new BigramBackend({
      onCall: (name) => {
        calls.push(name);
        if (calls.filter((call) => call === 'optimStep').length === 2) snapshot.resolve();
        return name === 'forwardBackward' ? snapshot.promise : undefined;
      },
    });
    const { trainer } = await createTestTrainer({ backend }, { minibatches: 2, groupSize: 16 });
    await trainer.fit({ train: letterTasks, steps: 1 }); // would wait for ever if it awaited a pass
    expect(calls).toEqual(['publish', 'forwardBackward', 'optimStep', 'forwardBackward', 'optimStep', 'publish']);
  });

  it('ask for log-probabilities after the step before, where the loss is ours', async () => {
    const calls: string[] = [];
    const backend = new BigramBackend({ losses: ['cross_entropy'], onCall: (name) => void calls.push(name) });
    const { trainer } = await createTestTrainer({ backend }, { minibatches: 2, groupSize: 16 });
    await trainer.fit({ train: letterTasks, steps: 1 });
    const pass = ['forward', 'forwardBackward', 'optimStep'];
    expect(calls).toEqual(['publish', ...pass, ...pass, 'publish']);
  });

  it('publish nothing and save nothing when an early minibatch was not finite, though later ones were made', async () => {
    const options = { lossOf: (step: number, loss: number) => (step === 3 ? Number.NaN : loss) };
    const backend = new BigramBackend(options);
    const { trainer, runDirectory } = await createTestTrainer({ backend }, { minibatches: 2, groupSize: 16 });
    await expect(trainer.fit({ train: letterTasks, steps: 4 })).rejects.toMatchObject({ code: 'numerics' });
    expect(backend.published).toEqual([0, 1]);
    const resumed = await createTestTrainer({ runDirectory }, { minibatches: 2, groupSize: 16 });
    await resumed.trainer.fit({ train: letterTasks, steps: 4, resume: true });
    expect(resumed.backend.published).toEqual([1, 2, 3, 4]);
  });
});

/** Rows of random tokens as two groups of three rollouts with two calls each; the sampler was a little elsewhere. */
async function sampledBatch(policy: TrainablePolicy): Promise<LightningBatch> {
  const random = seededRandom(1, 'batch');
  const token = (): number => Math.floor(random() * 250);
  const episodes = Array.from({ length: 6 }, (_, rollout) => {
    const first = {
      promptIds: Int32Array.from({ length: 3 }, token),
      responseIds: Int32Array.from({ length: 4 }, token),
    };
    const second = {
      promptIds: Int32Array.of(...first.promptIds, ...first.responseIds, token()),
      responseIds: Int32Array.from({ length: 5 }, token),
    };
    return {
      rollout: { rolloutId: `r${rollout}`, groupId: `g${rollout % 2}`, mode: 'train' },
      reward: rollout < 3 ? 1 : 0,
      rewards: {},
      untrainable: [],
      transitions: [first, second].map((call, callIndex) => ({
        ...call,
        callIndex,
        rolloutId: `r${rollout}`,
        spanId: `${rollout}.${callIndex}`,
        policy: 'policy',
        policyVersion: 0,
        logprobs: new Float32Array(call.responseIds.length).fill(-5),
        reward: undefined,
        signals: [],
      })),
    } as unknown as Episode;
  });
  const batch = buildBatch(episodes, {
    credit: 'identical',
    estimator: 'grpo',
    samples: 'trajectory',
    tokenWeighting: 'rollout',
  });
  const now = await policy.forward(batch.samples);
  const rows = batch.samples.map((row, index) => ({
    ...row,
    logprobs: now[index]!.map((value, t) => (row.lossMask[t] === 0 ? 0 : value + 0.6 * (random() - 0.5))),
  }));
  return { ...batch, samples: rows };
}

function largestGap(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return Math.max(...a.flatMap((row, index) => [...row].map((value, t) => Math.abs(value - b[index]![t]!))));
}
