import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Loss, TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import { decodeSafetensors, embedded, type Tensor } from '@agent-lightning/embedded';
import { describeBackend } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gpu } from '../src/index.ts';
import type { LoraOptions } from '@agent-lightning/tinker';
import type { RunningWorker } from '../src/worker/worker-process.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { startTestWorker } from './test-worker.ts';
import { gap, mixedRows } from './test-rows.ts';
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
    worker = await startTestWorker(python!, model(), join(root, 'state'));
  }, 600_000);
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
        const [left, right] = await Promise.all(policies.map((policy) => policy.forwardBackward(mixedRows, loss)));
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
          await policy.forwardBackward(mixedRows, loss);
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

  it('that is killed ends every call with an error that says so', async () => {
    const lines: string[] = [];
    const write = (line: string): void => void lines.push(line);
    const logger = { info: write, warn: write, error: write };
    const own = gpu({ model: model(), python: python!, device: 'cpu', stateDirectory: join(root, 'own'), logger });
    try {
      const policy = await own.createPolicy({ name: 'policy', seed: 1 });
      await policy.forward(mixedRows);
      const pid = Number(/process (\d+) listens/.exec(lines.join('\n'))![1]);
      process.kill(pid, 'SIGKILL');
      await expect(policy.forward(mixedRows)).rejects.toMatchObject({
        code: 'session-lost',
        message: expect.stringMatching(/was ended by SIGKILL.*resume the run/i),
      });
    } finally {
      await own.close();
    }
  }, 600_000);
});

const everyLoss: readonly Loss[] = [
  { name: 'importance_sampling' },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'ppo', clipLow: 0.8, clipHigh: 1.2, dualClip: 1.3 },
  { name: 'cispo', clipLow: 0.8, clipHigh: 1.2 },
  { name: 'cross_entropy' },
];

async function readWeights(directory: string): Promise<ReadonlyMap<string, Float32Array>> {
  const path = join(directory, 'model.safetensors');
  const { tensors } = decodeSafetensors(await readFile(path), path);
  return new Map([...tensors].map(([name, tensor]: [string, Tensor]) => [name, tensor.data]));
}
