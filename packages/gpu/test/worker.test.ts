import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Loss, TrainablePolicy, TrainingBackend, TrainingRow } from '@agent-lightning/core';
import { decodeSafetensors, embedded, type Tensor } from '@agent-lightning/embedded';
import { describeBackend } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gpu } from '../src/index.ts';
import { grpo, Trainer, type TrainingResult } from '@agent-lightning/trainer';
import type { LoraOptions } from '@agent-lightning/tinker';
import { startWorker, type RunningWorker } from '../src/worker/worker-process.ts';
import { askAs } from '../../trainer/test/role-agent.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { findWorkerPython } from './worker-python.ts';

const python = findWorkerPython();
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

describe.skipIf(python === undefined)(`the worker (needs Python: npm run setup:python)`, () => {
  let root: string;
  let worker: RunningWorker;
  const model = (): string => join(root, 'model');

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'worker-'));
    await createTinyCheckpoint(model());
    const flags = ['--model', model(), '--device', 'cpu', '--state-dir', join(root, 'state'), '--threads', '1'];
    worker = await startWorker({
      python: python!,
      arguments: flags,
      logger: silent,
      startTimeoutMs: 300_000,
      signal: undefined,
    });
  }, 300_000);
  afterAll(async () => {
    await worker?.stop();
    await rm(root, { recursive: true, force: true });
  });
  // One worker serves all tests, each with a session of its own: starting PyTorch is what costs time.
  const attach = (lora: LoraOptions | 'full' = 'full'): TrainingBackend =>
    gpu({ model: model(), url: worker.url, apiKey: worker.apiKey, lora, logger: silent });

  // The random model's output layer hardly tells tokens apart, so it gets an adapter too.
  const adapters: LoraOptions = { rank: 4, trainUnembed: true };

  for (const lora of ['full', adapters] as const)
    describeBackend(`gpu({ lora: ${JSON.stringify(lora)} }) on the CPU`, async () => ({
      backend: attach(lora),
      vocabularySize: tinyVocabularySize,
      messages: [{ role: 'user', content: 'How many students are there?' }],
      openExport: (directory) => embedded({ model: directory, threads: 1 }),
    }));

  describe('beside the embedded engine, from the same checkpoint', () => {
    let ours: TrainingBackend;
    let theirs: TrainingBackend;
    let policies: readonly TrainablePolicy[];
    beforeAll(async () => {
      ours = embedded({ model: model(), threads: 1 });
      theirs = attach();
      policies = await Promise.all([ours, theirs].map((backend) => backend.createPolicy({ name: 'policy', seed: 1 })));
    });
    afterAll(() => Promise.all([ours?.close(), theirs?.close()]));

    it('finds the same log-probabilities, losses, entropies and gradients', async () => {
      for (const loss of everyLoss) {
        const [left, right] = await Promise.all(policies.map((policy) => policy.forwardBackward(rows, loss)));
        expect(right!.loss).toBeCloseTo(left!.loss, 3);
        expect(right!.entropy).toBeCloseTo(left!.entropy!, 4);
        expect(gap(left!.logprobs, right!.logprobs)).toBeLessThan(2e-5);
        const [one, other] = await Promise.all(policies.map((policy) => policy.optimStep({ learningRate: 0 })));
        expect(other!.gradientNorm! / one!.gradientNorm!).toBeCloseTo(1, 4);
      }
    });

    it('has the same weights after steps of AdamW with decay and clipping', async () => {
      // An epsilon above the noise of float32, so that a gradient of nearly 0 does not become a step of ±learning rate.
      const adam = { learningRate: 0.01, beta1: 0.8, beta2: 0.9, epsilon: 1e-3, weightDecay: 0.1, maxGradientNorm: 5 };
      for (const loss of everyLoss) {
        for (const policy of policies) {
          await policy.forwardBackward(rows, loss);
          await policy.optimStep(adam);
        }
      }
      const start = await readWeights(model());
      const [left, right] = await Promise.all(
        policies.map(async (policy, index) => {
          await policy.exportModel(join(root, `export-${index}`));
          return await readWeights(join(root, `export-${index}`));
        }),
      );
      for (const [name, tensor] of left!) {
        const moved = gap([start.get(name)!], [tensor]);
        expect(moved, name).toBeGreaterThan(1e-3);
        expect(gap([tensor], [right!.get(name)!]), name).toBeLessThan(moved / 1_000);
      }
    });
  });

  describe('training two policies, an adapter each', () => {
    const roles = { writer: { agentMatch: /write/ }, planner: { agentMatch: /plan/ } };
    const isAscii = (text: string): boolean => /^[\0-\x7f]+$/.test(text);

    /** Trains up to a step: the writer to answer in ASCII, the planner not to. Gives each one's share of ASCII in the last. */
    async function train(
      steps: number,
      resume: boolean,
    ): Promise<TrainingResult & { readonly ascii: Readonly<Record<'write' | 'plan', number>> }> {
      const counts = { write: 0, plan: 0 };
      const backend = attach(adapters);
      const trainer = new Trainer<string>({
        backend,
        policies: roles,
        rollout: async (task, { rollout }) => {
          const [written, planned] = await Promise.all([askAs('write', task), askAs('plan', task)]);
          if (rollout.metadata['step'] === steps) {
            counts.write += Number(isAscii(written));
            counts.plan += Number(isAscii(planned));
          }
          return (isAscii(written) ? 0.5 : 0) + (isAscii(planned) ? 0 : 0.5);
        },
        algorithm: grpo({ groupSize: 12, tasksPerStep: 2, learningRate: 0.1, maxTokens: 1 }),
        runDirectory: join(root, 'run'),
        logger: silent,
        progress: 'none',
        handleSignals: false,
      });
      try {
        const result = await trainer.fit({ train: ['a', 'b'], steps, resume });
        return { ...result, ascii: { write: counts.write / 24, plan: counts.plan / 24 } };
      } finally {
        await backend.close();
      }
    }

    it('teaches them different things, goes on from a checkpoint, and exports each as it was trained', async () => {
      await train(4, false);
      const { ascii, curve, modelDirectory } = await train(8, true);
      expect(curve.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      expect(ascii.write).toBeGreaterThan(0.8);
      expect(ascii.plan).toBeLessThan(0.2);
      const saved = attach(adapters);
      const loaded: (readonly Float32Array[])[] = [];
      for (const name of ['writer', 'planner']) {
        const policy = await saved.createPolicy({ name, seed: 1 });
        await policy.loadState(join(root, 'run', 'checkpoints', 'step-000008', 'policies', name));
        const merged = embedded({ model: join(modelDirectory!, name), threads: 1 });
        const other = await merged.createPolicy({ name, seed: 1 });
        const logprobs = await policy.forward(rows);
        // Float32 over logits that training has made large; another scale of the adapter would be seen from 0.1 on.
        expect(gap(logprobs, await other.forward(rows))).toBeLessThan(1e-3);
        loaded.push(logprobs);
        await merged.close();
      }
      await saved.close();
      expect(gap(loaded[0]!, loaded[1]!)).toBeGreaterThan(0.1);
    }, 120_000);
  });

  it('that is killed ends every call with an error that says so', async () => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(line);
    const logger = { info: write, warn: write, error: write };
    const own = gpu({ model: model(), python: python!, device: 'cpu', stateDirectory: join(root, 'own'), logger });
    try {
      const policy = await own.createPolicy({ name: 'policy', seed: 1 });
      await policy.forward(rows);
      const pid = Number(/process (\d+) listens/.exec(lines.join('\n'))![1]);
      process.kill(pid, 'SIGKILL');
      await expect(policy.forward(rows)).rejects.toMatchObject({
        code: 'session-lost',
        message: expect.stringMatching(/was ended by SIGKILL.*resume the run/i),
      });
    } finally {
      await own.close();
    }
  }, 300_000);
});

const everyLoss: readonly Loss[] = [
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cross_entropy' },
];

/** Rows that share beginnings, with prompts, and advantages of both signs. */
const rows: readonly TrainingRow[] = [
  [5, 17, 250, 31, 8, 99],
  [5, 17, 250, 77],
  [5, 17, 12, 4, 4, 200, 201, 202, 203],
].map((ids, index) => ({
  tokens: Int32Array.from(ids),
  lossMask: Uint8Array.from(ids, (_, t) => (t < 2 ? 0 : 1)),
  logprobs: Float32Array.from(ids, (_, t) => (t < 2 ? 0 : -5.5 - 0.1 * ((t + index) % 3))),
  advantages: Float32Array.from(ids, (_, t) => (t < 2 ? 0 : (t + index) % 2 === 0 ? 1 : -0.6)),
}));

async function readWeights(directory: string): Promise<ReadonlyMap<string, Float32Array>> {
  const path = join(directory, 'model.safetensors');
  const { tensors } = decodeSafetensors(await readFile(path), path);
  return new Map([...tensors].map(([name, tensor]: [string, Tensor]) => [name, tensor.data]));
}

function gap(left: readonly Float32Array[], right: readonly Float32Array[]): number {
  return Math.max(
    ...left.map((values, index) =>
      values.reduce((most, value, t) => Math.max(most, Math.abs(value - (right[index]?.[t] ?? Number.NaN))), 0),
    ),
  );
}
