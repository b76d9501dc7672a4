/** Imitation and distillation on servers of the Tinker protocol: `sft` and `distill` on the fake of each kind. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Algorithm, TrainingBackend } from '@agent-lightning/core';
import { tinker } from '@agent-lightning/tinker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { distill, sft, Trainer, type DistillMetrics, type SftMetrics } from '../src/index.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { recordingLogger } from './run-folder.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { startFakeTinker, type FakeTinker } from '../../tinker/test/fakes/fake-tinker.ts';

const serverKinds = ['worker', 'skyrl', 'tinker'] as const;
type Kind = (typeof serverKinds)[number];

const fixedAdam = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 };
let root: string;
const servers: FakeTinker[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'imitation-tinker-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await rm(root, { recursive: true });
});

/** Starts a server of a kind, and a backend on it. @param seed of the base model's weights */
async function startBackend(serverKind: Kind, seed = 1): Promise<TrainingBackend & AsyncDisposable> {
  const modelDirectory = join(root, 'model');
  const server = await startFakeTinker({
    serverKind,
    vocabularySize: tinyVocabularySize,
    modelDirectory,
    seed,
    ...(serverKind === 'skyrl' ? { fixedAdam } : {}),
  });
  servers.push(server);
  return tinker({
    url: server.url,
    model: server.modelName,
    tokenizer: modelDirectory,
    apiKey: server.apiKey,
    serverKind,
    logger: recordingLogger(),
    ...(serverKind === 'skyrl' ? { serverAdam: fixedAdam } : {}),
  });
}

/** Earns a reward for answering with a capital letter: what a table of token pairs can learn. */
function trainerOn(backend: TrainingBackend, algorithm: Algorithm, runName: string): Trainer<LetterTask> {
  return new Trainer<LetterTask>({
    rollout: async (task, context) => (/^[A-Z]/.test(await askLetter(task, context)) ? 1 : 0),
    backend,
    algorithm,
    runDirectory: join(root, runName),
    progress: 'none',
    handleSignals: false,
    logger: recordingLogger(),
    noSignalPatience: 10,
  });
}

async function readLines<Metrics>(
  runName: string,
): Promise<readonly (Metrics & { readonly reward: { readonly mean: number } })[]> {
  const text = await readFile(join(root, runName, 'metrics.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Metrics & { readonly reward: { readonly mean: number } });
}

describe.each(serverKinds)('on a %s server', (serverKind) => {
  it('sft lowers its loss, raises the reward, resumes, and imitates again what the run left', async () => {
    await using backend = await startBackend(serverKind);
    // A letter is cut off by the limit of one token, and is the whole answer.
    const shared = { minReward: 1, truncated: 'train', learningRate: 1, maxTokens: 1 } as const;
    const imitation = sft({ samplesPerTask: 12, tasksPerStep: 4, ...shared });
    await trainerOn(backend, imitation, 'run').fit({ train: letterTasks, steps: 3 });
    await trainerOn(backend, imitation, 'run').fit({ train: letterTasks, steps: 6, resume: true });
    const lines = await readLines<SftMetrics>('run');
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)!.reward.mean - lines[0]!.reward.mean).toBeGreaterThan(0.3);
    expect(lines.at(-1)!.loss!).toBeLessThan(lines[0]!.loss!);

    const again = sft({ from: join(root, 'run'), keep: 1, ...shared });
    await trainerOn(backend, again, 'again').fit({ train: [], epochs: 2 });
    const stored = await readLines<SftMetrics>('again');
    expect(stored[0]).toMatchObject({ callsRendered: 0 }); // the tokens that were captured are this model's own
    expect(stored.at(-1)!.loss!).toBeLessThan(stored[0]!.loss!);
  });

  it('distill comes nearer to a teacher on another server', async () => {
    await using backend = await startBackend(serverKind);
    await using teacher = await startBackend(serverKind, 2);
    const marked = distill({ teacher, samplesPerTask: 8, tasksPerStep: 4, learningRate: 0.3, maxTokens: 1 });
    await trainerOn(backend, marked, 'distilled').fit({ train: letterTasks, steps: 6 });
    const lines = await readLines<DistillMetrics>('distilled');
    expect(lines.at(-1)!.klTeacher!).toBeLessThan(lines[0]!.klTeacher! * 0.8);
  });
});
