import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingBackend } from '@agent-lightning/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { grpo, Trainer, type TrainerOptions } from '../src/index.ts';
import { tinker } from '@agent-lightning/tinker';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { recordingLogger } from './run-folder.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { startFakeTinker, type FakeTinker } from '../../tinker/test/fakes/fake-tinker.ts';

const skyrlAdam = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 };
let root: string;
let server: FakeTinker;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-fit-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterEach(async () => {
  await server?.close();
  await rm(root, { recursive: true });
});

async function start(serverKind: 'worker' | 'skyrl' | 'tinker'): Promise<void> {
  server = await startFakeTinker({
    serverKind,
    vocabularySize: tinyVocabularySize,
    modelDirectory: join(root, 'model'),
    ...(serverKind === 'skyrl' ? { fixedAdam: skyrlAdam } : {}),
  });
}

function backendOn(serverKind: 'worker' | 'skyrl' | 'tinker', serverAdam: object = skyrlAdam): TrainingBackend {
  return tinker({
    url: server.url,
    model: server.modelName,
    tokenizer: join(root, 'model'),
    apiKey: server.apiKey,
    serverKind,
    logger: recordingLogger(),
    ...(serverKind === 'skyrl' ? { serverAdam } : {}),
  });
}

/** Earns a reward for answering with a capital letter: what a table of token pairs can learn. */
function trainerOn(backend: TrainingBackend, change: Partial<TrainerOptions<LetterTask>> = {}): Trainer<LetterTask> {
  return new Trainer<LetterTask>({
    rollout: async (task, context) => (/^[A-Z]/.test(await askLetter(task, context)) ? 1 : 0),
    backend,
    algorithm: grpo({
      groupSize: 8,
      tasksPerStep: 4,
      learningRate: 0.3,
      maxTokens: 1,
      loss: 'importance_sampling',
    }),
    runners: 8,
    runDirectory: join(root, 'run'),
    progress: 'none',
    handleSignals: false,
    logger: recordingLogger(),
    keepCheckpoints: 2,
    noSignalPatience: 10,
    ...change,
  });
}

describe.each(['worker', 'skyrl', 'tinker'] as const)('training on a %s server', (serverKind) => {
  it('raises the reward, and resumes on the server where it was', async () => {
    await start(serverKind);
    const first = backendOn(serverKind);
    await trainerOn(first).fit({ train: letterTasks, steps: 3 });
    await first.close();
    const second = backendOn(serverKind);
    const result = await trainerOn(second).fit({ train: letterTasks, steps: 8, resume: true });
    await second.close();
    expect(result.steps).toBe(8);
    const rewards = result.curve.map(({ reward }) => reward ?? 0);
    expect(rewards).toHaveLength(8);
    expect(rewards.at(-1)! - rewards[0]!).toBeGreaterThan(0.3);
    expect(await readdir(result.modelDirectory!)).toContain('tokenizer.json');
    // One saved state on the server for each checkpoint that is kept; SkyRL cannot delete any.
    const states = server.engine.keptPaths.filter((path) => path.includes('/weights/'));
    if (serverKind !== 'skyrl') expect(states).toHaveLength(2);
  });
});

describe('training on a SkyRL server', () => {
  it('is refused before a single rollout when the server would ignore an optimizer parameter', async () => {
    await start('skyrl');
    const backend = backendOn('skyrl', {});
    await expect(trainerOn(backend).fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringMatching(/would ignore beta2 0\.95.*says 0\.999/),
    });
    expect(server.applied).toEqual([]);
    await backend.close();
  });

  it('is refused while rollouts would outlive the one version that the server keeps', async () => {
    await start('skyrl');
    const backend = backendOn('skyrl');
    const ahead = trainerOn(backend, { maxStaleness: 1 });
    await expect(ahead.fit({ train: letterTasks, steps: 1 })).rejects.toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('maxStaleness'),
    });
    await backend.close();
  });
});
