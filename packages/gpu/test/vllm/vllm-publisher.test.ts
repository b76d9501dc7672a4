import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PolicySnapshot, TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gpu, type VllmOptions } from '../../src/index.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../../embedded/test/tiny-checkpoint.ts';
import { startFakeTinker, type FakeTinker } from '../../../tinker/test/fakes/fake-tinker.ts';
import { startFakeVllm, type FakeVllm, type FakeVllmOptions } from '../fakes/fake-vllm.ts';
import { measureAsWorker } from '../fakes/same-model.ts';

let root: string;
let worker: FakeTinker;
let vllm: FakeVllm;
let backend: TrainingBackend | undefined;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'publisher-'));
  await createTinyCheckpoint(join(root, 'model'));
  worker = await startFakeTinker({
    serverKind: 'worker',
    modelName: 'model',
    vocabularySize: tinyVocabularySize,
    adaptersDirectory: join(root, 'adapters'),
  });
});
afterEach(async () => {
  await backend?.close();
  backend = undefined;
  await Promise.all([worker.close(), vllm.close()]);
  await rm(root, { recursive: true });
});

const row = {
  tokens: Int32Array.of(5, 6, 7),
  lossMask: Uint8Array.of(0, 1, 1),
  logprobs: new Float32Array(3),
  advantages: Float32Array.of(0, 1, 1),
};

async function createPolicy(
  options: Partial<VllmOptions> = {},
  server: FakeVllmOptions = {},
): Promise<TrainablePolicy> {
  vllm = await startFakeVllm({ measurePrompt: measureAsWorker(tinyVocabularySize), ...server });
  backend = gpu({
    model: join(root, 'model'),
    url: worker.url,
    apiKey: worker.apiKey,
    lora: { rank: 8 },
    vllm: { url: vllm.url, ...options },
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
  });
  return await backend.createPolicy({ name: 'writer', seed: 0 });
}

async function trainStep(policy: TrainablePolicy): Promise<void> {
  await policy.forwardBackward([row], { name: 'importance_sampling' });
  await policy.optimStep({ learningRate: 0.1 });
}

describe('a policy that vLLM samples', () => {
  it('is released under an adapter for each version, whose files go when it is replaced', async () => {
    const policy = await createPolicy();
    const snapshots: PolicySnapshot[] = [];
    for (const version of [1, 2, 3]) {
      snapshots.push(await policy.publish(version));
      await trainStep(policy);
    }
    expect(await backend?.capabilities()).toMatchObject({ snapshot: 'openai', liveSnapshots: 2 });
    const models = snapshots.map((snapshot) => (snapshot as { model: string }).model);
    expect(models.map((model) => model.replace(/^agl-\w+-/, ''))).toEqual(['writer-v1', 'writer-v2', 'writer-v3']);
    expect(vllm.adapters).toEqual(models.slice(1));
    expect(await readdir(join(root, 'adapters'))).toHaveLength(2);
    expect(await backend?.baseSnapshot()).toMatchObject({ kind: 'openai', model: 'base-model' });
  });

  it('leaves nothing behind, neither on a server that it was attached to nor on the disk', async () => {
    const policy = await createPolicy();
    await policy.publish(1);
    await backend?.close();
    expect(vllm.adapters).toEqual([]);
    expect(await readdir(join(root, 'adapters'))).toEqual([]);
  });

  it('trains while vLLM sleeps, where that is wanted', async () => {
    const policy = await createPolicy({ sleep: true }, { flags: { devMode: true } });
    for (const version of [1, 2]) {
      await policy.publish(version);
      expect(vllm.isSleeping).toBe(false);
      await trainStep(policy);
      expect(vllm.isSleeping).toBe(true);
    }
  });

  it('is refused without adapters, before anything starts', async () => {
    vllm = await startFakeVllm();
    expect(() => gpu({ model: root, lora: 'full', vllm: true })).toThrow(
      expect.objectContaining({ code: 'option-unsupported', message: expect.stringContaining('adapters only') }),
    );
  });

  it('needs a worker that says where its adapters are', async () => {
    await worker.close();
    worker = await startFakeTinker({ serverKind: 'worker', modelName: 'model', vocabularySize: tinyVocabularySize });
    const policy = await createPolicy();
    await expect(policy.publish(1)).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('train with lora'),
    });
  });

  it('is refused by a server that serves another model than the one that trains', async () => {
    await expect(createPolicy({}, { measurePrompt: (tokens) => tokens.slice(1).map(() => -20) })).rejects.toMatchObject(
      {
        code: 'option-unsupported',
        message: expect.stringMatching(/a prompt of \d+ tokens differ from the worker's by/),
      },
    );
  });

  it('trains on, with the versions that there are, when a publish fails', async () => {
    const policy = await createPolicy({ awayTimeoutMs: 500 });
    await policy.publish(1);
    await vllm.lose();
    await expect(policy.publish(2)).rejects.toMatchObject({ code: 'backend-failed', retryable: true });
    await vllm.comeBack();
    await trainStep(policy);
    expect(await policy.publish(2)).toMatchObject({ version: 2 });
    expect(vllm.adapters).toHaveLength(2);
  });
});
