import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBackend } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { gpu } from '../src/index.ts';
import { startWorker, type RunningWorker } from '../src/worker/worker-process.ts';
import { findWorkerPython } from './tinker/worker-python.ts';
import { createTinyModel, tinyVocabularySize } from './tinker/tiny-model.ts';

const python = findWorkerPython();

describe.skipIf(python === undefined)('the worker', () => {
  let root: string;
  let worker: RunningWorker;
  const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'worker-contract-'));
    await createTinyModel(join(root, 'model'));
    worker = await startWorker({
      python: python!,
      arguments: [
        '--model',
        join(root, 'model'),
        '--device',
        'cpu',
        '--state-dir',
        join(root, 'state'),
        '--threads',
        '1',
      ],
      logger: silent,
      startTimeoutMs: 120_000,
      signal: undefined,
    });
  });
  afterAll(async () => {
    await worker?.stop();
    await rm(root, { recursive: true, force: true });
  });

  // One worker serves every fixture, each with a session of its own: starting PyTorch is what costs time.
  describeBackend('gpu({ lora: "full" }) on the CPU', async () => ({
    backend: gpu({ model: join(root, 'model'), url: worker.url, apiKey: worker.apiKey, lora: 'full', logger: silent }),
    vocabularySize: tinyVocabularySize,
    messages: [{ role: 'user', content: 'How many students are there?' }],
    openExport: (directory) =>
      gpu({
        model: directory,
        python: python!,
        device: 'cpu',
        lora: 'full',
        logger: silent,
        stateDirectory: join(root, 'export-state'),
      }),
  }));
});
