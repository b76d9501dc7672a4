/** A model on a real vLLM marks the tokens of a student in this process: `npm run test:vllm`. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingSample } from '@agent-lightning/core';
import { embedded } from '@agent-lightning/embedded';
import { createVllmScorer } from '@agent-lightning/gpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { distill, Trainer, type DistillMetrics } from '../../src/index.ts';
import { VllmClient } from '../../../gpu/src/vllm/vllm-client.ts';
import { freePort, VllmProcess } from '../../../gpu/src/vllm/vllm-process.ts';
import { askLetter, letterTasks, type LetterTask } from '../letter-task.ts';
import { recordingLogger } from '../run-folder.ts';
import { gpuMemoryUtilization, isMissing, model, needs, program, smallCache, waitPatiently } from './real-vllm.ts';

const apiKey = randomBytes(16).toString('hex');
let folder: string;
let vllm: VllmProcess;
let baseUrl: string;

beforeAll(async () => {
  if (isMissing) return;
  waitPatiently();
  folder = await mkdtemp(join(tmpdir(), 'vllm-teacher-'));
  const port = await freePort();
  const address = ['--host', '127.0.0.1', '--port', `${port}`, '--served-model-name', 'teacher'];
  const size = ['--dtype', 'float32', '--gpu-memory-utilization', `${gpuMemoryUtilization}`, '--enforce-eager'];
  vllm = new VllmProcess({
    command: program,
    args: ['serve', model, ...address, ...size],
    env: { ...smallCache, VLLM_API_KEY: apiKey },
  });
  vllm.start();
  const url = `http://127.0.0.1:${port}`;
  baseUrl = `${url}/v1`;
  const client = new VllmClient({ url, apiKey, fetch });
  while (!(await client.isHealthy())) {
    if (!vllm.isRunning) throw vllm.failure();
    await new Promise((resolve) => setTimeout(resolve, 500)); // a start says nothing that could be waited for
  }
}, 1_800_000);
afterAll(async () => {
  if (isMissing) return;
  await vllm.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Makes samples of what nobody would say. */
function randomSamples(): readonly TrainingSample[] {
  return [24, 60].map((length, index) => {
    const tokens = Int32Array.from({ length }, (_, t) => 10 + ((t * 37 + index * 11) % 600));
    const lossMask = new Uint8Array(length).fill(1, 1);
    return { tokens, lossMask, logprobs: new Float32Array(length), advantages: Float32Array.from(lossMask) };
  });
}

/** Writes a student: the teacher's model after some steps towards nonsense. */
async function spoil(directory: string): Promise<void> {
  await using backend = embedded({ model, threads: 1 });
  const policy = await backend.createPolicy({ name: 'spoilt', seed: 0 });
  for (let step = 0; step < 4; step++) {
    await policy.forwardBackward(randomSamples(), { name: 'cross_entropy' });
    await policy.optimStep({ learningRate: 2e-3 });
  }
  await policy.exportModel(directory);
}

describe.skipIf(isMissing)(`a teacher on a real vLLM (${needs})`, { timeout: 1_800_000 }, () => {
  it('gives given tokens the log-probabilities that our own engine gives them, and shows them alike', async () => {
    await using backend = embedded({ model, threads: 1 });
    const samples = randomSamples();
    const own = await (await backend.createPolicy({ name: 'own', seed: 0 })).forward(samples);
    const score = createVllmScorer({ baseUrl, model: 'teacher', apiKey });
    for (const [index, { tokens }] of samples.entries()) {
      const { logprobs, texts } = await score(tokens);
      for (let t = 1; t < tokens.length; t++) expect(logprobs[t]).toBeCloseTo(own[index]![t]!, 3);
      expect(texts.slice(1)).toHaveLength(tokens.length - 1);
      for (const text of texts.slice(1)) expect(typeof text).toBe('string');
    }
  });

  it('brings a student back that was led astray, and knows its tokens', async () => {
    await spoil(join(folder, 'student'));
    await using backend = embedded({ model: join(folder, 'student'), threads: 1 });
    const trainer = new Trainer<LetterTask>({
      rollout: async (task, context) => void (await askLetter(task, context)),
      backend,
      algorithm: distill({
        teacher: { baseUrl, model: 'teacher', apiKey },
        samplesPerTask: 8,
        tasksPerStep: 4,
        maxTokens: 12,
        learningRate: 1e-3,
      }),
      runDirectory: join(folder, 'run'),
      progress: 'none',
      handleSignals: false,
      logger: recordingLogger(),
    });
    await trainer.fit({ train: letterTasks, steps: 6 });
    const text = await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8');
    const lines = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as DistillMetrics);
    expect(lines).toHaveLength(6);
    expect(lines.at(-1)!.klTeacher!, JSON.stringify(lines.map(({ klTeacher }) => klTeacher))).toBeLessThan(
      lines[0]!.klTeacher! / 2,
    );
    expect(text).not.toContain(apiKey);
  });
});
