import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describeBackend } from '@agent-lightning/testing';
import { afterAll, beforeAll, describe } from 'vitest';

import { embedded, type EmbeddedOptions } from '../src/index.ts';
import { createTinyCheckpoint } from './tiny-checkpoint.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'embedded-contract-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));

describe.each<[string, Partial<EmbeddedOptions>]>([
  ['embedded', {}],
  ['embedded with LoRA', { lora: { rank: 8 } }],
])('%s', (name, options) => {
  describeBackend(name, async () => ({
    backend: embedded({ model: join(root, 'model'), threads: 2, ...options }),
    vocabularySize: 300,
    messages: [{ role: 'user', content: 'How many students are there?' }],
    openExport: (directory) => embedded({ model: directory, threads: 2 }),
  }));
});
