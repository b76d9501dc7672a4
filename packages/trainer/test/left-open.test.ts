import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingBackend } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { tinker } from '@agent-lightning/tinker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from './run-process.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';
import { startFakeTinker } from '../../tinker/test/fakes/fake-tinker.ts';

let folder: string;
const model = (): string => join(folder, 'model');
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'left-open-'));
  await createTinyCheckpoint(model());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a script that leaves tinker() open', () => {
  it('ends by itself, whatever its heartbeats', async () => {
    const server = await startFakeTinker({ serverKind: 'tinker' });
    try {
      const { url, apiKey, modelName } = server;
      const options = { url, apiKey, model: modelName, tokenizer: model() };
      const ended = await runProgram('left-open.ts', ['tinker', JSON.stringify(options)]);
      expect(ended, ended.output).toMatchObject({ code: 0, signal: null });
      expect(ended.output).toContain('published version 1');
    } finally {
      await server.close();
    }
  });
});

it.each(['tinker', 'embedded'] as const)('%s() is closed at the end of its `await using` block', async (kind) => {
  const server = await startFakeTinker({ serverKind: 'tinker' });
  const { url, apiKey, modelName } = server;
  const open = (): TrainingBackend & AsyncDisposable =>
    kind === 'tinker'
      ? tinker({ url, apiKey, model: modelName, tokenizer: model() })
      : embedded({ model: model(), threads: 1 });
  try {
    let used: TrainingBackend;
    {
      await using backend = open();
      used = backend;
      expect((await backend.capabilities()).maxSampleTokens).toBeGreaterThan(0);
    }
    await expect(used.capabilities()).rejects.toMatchObject({ code: 'backend-closed' });
  } finally {
    await server.close();
  }
});
