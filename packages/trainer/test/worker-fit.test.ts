import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingBackend } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { gpu } from '@agent-lightning/gpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grpo, Trainer, type TrainingResult } from '../src/index.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';
import { gap, mixedRows } from '../../gpu/test/test-rows.ts';
import { startTestWorker } from '../../gpu/test/test-worker.ts';
import { findWorkerPython } from '../../gpu/test/worker-python.ts';
import { askAs } from './role-agent.ts';

const python = findWorkerPython();
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let root: string;
let worker: Awaited<ReturnType<typeof startTestWorker>> | undefined;
const model = (): string => join(root, 'model');

// The random model's output layer hardly tells tokens apart, so it gets an adapter too.
const attach = (): TrainingBackend =>
  gpu({
    model: model(),
    url: worker!.url,
    apiKey: worker!.apiKey,
    lora: { rank: 4, trainUnembed: true },
    logger: silent,
  });

const roles = { writer: { agentMatch: /write/ }, planner: { agentMatch: /plan/ } };
const isAscii = (text: string): boolean => /^[\0-\x7f]+$/.test(text);

/** Trains up to a step: the writer to answer in ASCII, the planner not to. Returns each one's share of ASCII in the last. */
async function train(
  steps: number,
  resume: boolean,
): Promise<TrainingResult & { readonly ascii: Readonly<Record<'write' | 'plan', number>> }> {
  const counts = { write: 0, plan: 0 };
  const backend = attach();
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
    // What the worker samples is not the same each time: a run that has learned it all early shall not end as converged.
    noSignalPatience: 8,
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

describe.skipIf(python === undefined)(`training on the worker (needs Python: npm run setup:python)`, () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'worker-fit-'));
    await createTinyCheckpoint(model());
    worker = await startTestWorker(python!, model(), join(root, 'state'));
  }, 300_000);
  afterAll(async () => {
    await worker?.stop();
    await rm(root, { recursive: true, force: true });
  });

  it('teaches two policies different things, goes on from a checkpoint, and exports each as it was trained', async () => {
    await train(4, false);
    const { ascii, curve, modelDirectory } = await train(8, true);
    expect(curve.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(ascii.write).toBeGreaterThan(0.8);
    expect(ascii.plan).toBeLessThan(0.2);
    const saved = attach();
    const loaded: (readonly Float32Array[])[] = [];
    for (const name of ['writer', 'planner']) {
      const policy = await saved.createPolicy({ name, seed: 1 });
      await policy.loadState(join(root, 'run', 'checkpoints', 'step-000008', 'policies', name));
      const merged = embedded({ model: join(modelDirectory!, name), threads: 1 });
      const other = await merged.createPolicy({ name, seed: 1 });
      const logprobs = await policy.forward(mixedRows);
      // Float32 over logits that training has made large; another scale of the adapter would be seen from 0.1 on.
      expect(gap(logprobs, await other.forward(mixedRows))).toBeLessThan(1e-3);
      loaded.push(logprobs);
      await merged.close();
    }
    await saved.close();
    expect(gap(loaded[0]!, loaded[1]!)).toBeGreaterThan(0.1);
  }, 120_000);
});
