import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeBackend } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import { tinker } from '../src/index.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { startFakeTinker, type FakeTinker } from './fakes/fake-tinker.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-contract-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));

const adam = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 0 };

describe.each(['worker', 'skyrl', 'tinker'] as const)('%s', (serverKind) => {
  let server: FakeTinker;
  beforeAll(async () => {
    const modelDirectory = join(root, 'model');
    const fixedAdam = serverKind === 'skyrl' ? { fixedAdam: adam } : {};
    server = await startFakeTinker({ serverKind, modelDirectory, vocabularySize: tinyVocabularySize, ...fixedAdam });
  });
  afterAll(() => server.close());

  describeBackend(`tinker({ serverKind: '${serverKind}' })`, async () => ({
    backend: tinker({
      url: server.url,
      model: server.modelName,
      tokenizer: join(root, 'model'),
      apiKey: server.apiKey,
      serverKind,
      lora: serverKind === 'worker' ? 'full' : { rank: 8 },
      logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      ...(serverKind === 'skyrl' ? { serverAdam: adam } : {}),
    }),
    vocabularySize: tinyVocabularySize,
    messages: [{ role: 'user', content: 'How many students are there?' }],
    exports: serverKind === 'tinker' ? 'adapter' : 'model',
  }));
});
