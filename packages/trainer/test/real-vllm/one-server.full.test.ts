/** One real vLLM on the CPU beside the PyTorch worker, for all of these tests: `npm run test:vllm`. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainablePolicy, TrainingBackend } from '@agent-lightning/core';
import { gpu } from '@agent-lightning/gpu';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grpo, Trainer, type TrainerOptions } from '../../src/index.ts';
import { isAlive } from '../../../platform/test/is-alive.ts';
import { askLetter, letterTasks, type LetterTask } from '../letter-task.ts';
import { readMetrics, recordingLogger, type GrpoLine } from '../run-folder.ts';
import {
  callServer,
  findEngine,
  gpuMemoryUtilization,
  isMissing,
  listAdapters,
  model,
  needs,
  program,
  smallCache,
  untilServer,
  waitPatiently,
  type VllmSnapshot,
} from './real-vllm.ts';
import { checkCapture } from './check-capture.ts';

const logger = recordingLogger();
let folder: string;
let backend: TrainingBackend;
beforeAll(async () => {
  waitPatiently();
  folder = await mkdtemp(join(tmpdir(), 'real-vllm-'));
  backend = gpu({
    model,
    device: 'cpu',
    lora: { rank: 8 },
    stateDirectory: join(folder, 'states'),
    vllm: {
      command: ['sh', '-c', 'echo $$ > "$PID_FILE"; exec "$@"', 'sh', program],
      gpuMemoryUtilization,
      maxLoras: 16, // the policies of all tests
      env: { PID_FILE: join(folder, 'pid'), ...smallCache },
    },
    logger,
  });
  if (!isMissing) await backend.capabilities();
}, 900_000);
afterAll(async () => {
  await backend.close();
  await rm(folder, { recursive: true, force: true });
});

const readPid = async (): Promise<number> => Number(await readFile(join(folder, 'pid'), 'utf8'));

/** Makes a policy whose adapter says something else than the base model. */
async function createTrainedPolicy(name: string): Promise<TrainablePolicy> {
  const policy = await backend.createPolicy({ name, seed: 0 });
  const tokens = Int32Array.from({ length: 40 }, (_, t) => 10 + ((t * 37) % 600));
  const lossMask = new Uint8Array(40).fill(1, 1);
  const weights = Float32Array.from(lossMask);
  await policy.forwardBackward([{ tokens, lossMask, logprobs: new Float32Array(40), advantages: weights }], {
    name: 'cross_entropy',
  });
  await policy.optimStep({ learningRate: 2e-3 });
  return policy;
}

/** Trains on the letter task, with an agent that asks by plain `fetch`, once, and all default options beside the given ones. */
async function train(
  runName: string,
  options: Partial<TrainerOptions<LetterTask>>,
  onRollout: (step: number) => Promise<void>,
): Promise<readonly GrpoLine[]> {
  const trainer = new Trainer<LetterTask>({
    rollout: async (task, context) => {
      await onRollout(Number(/\.s(\d+)\./.exec(context.rollout.rolloutId)?.[1]));
      return (await askLetter(task, context)).length % 2;
    },
    backend,
    algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 2e-3, maxTokens: 4 }),
    runDirectory: join(folder, runName),
    progress: 'none',
    handleSignals: false,
    logger,
    ...options,
  });
  const result = await trainer.fit({ train: letterTasks, steps: 4 });
  expect(result, logger.lines.join('\n')).toMatchObject({ stopReason: 'completed', steps: 4, rollouts: 128 });
  const metrics = await readMetrics(join(folder, runName));
  for (const line of metrics) expect(line, logger.lines.join('\n')).toMatchObject({ failed: 0, untrainableCalls: 0 });
  expect(metrics.some(({ optimizerSteps }) => optimizerSteps > 0)).toBe(true);
  return metrics;
}

/** Returns what kills a process of vLLM once, in the second step. */
function killInStepTwo(find: (apiServer: number) => Promise<number>): (step: number) => Promise<void> {
  let killing: Promise<void> | undefined;
  return async (step) => {
    if (step === 2)
      await (killing ??= readPid()
        .then(find)
        .then((pid) => void process.kill(pid, 'SIGKILL')));
  };
}

describe(`a real vLLM (${needs})`, { skip: isMissing }, () => {
  it('loads each version beside those that calls run on, and unloads one when its calls have ended', async () => {
    const policy = await createTrainedPolicy('drained');
    const first = (await policy.publish(1)) as VllmSnapshot;
    let isOver = false;
    const ends: unknown[] = [];
    // Calls of different lengths, one after the other in each of four rows, so that at any time one runs.
    const rows = [60, 75, 90, 105].map(async (tokens) => {
      while (!isOver) {
        const body = { model: first.model, prompt: [20, 21], max_tokens: tokens, ignore_eos: true };
        const { status, text } = await callServer(first, '/completions', body);
        ends.push([
          status,
          (JSON.parse(text) as { usage: { completion_tokens: number } }).usage.completion_tokens === tokens,
        ]);
      }
    });
    const later = [await policy.publish(2), await policy.publish(3)].map(
      (snapshot) => (snapshot as VllmSnapshot).model,
    );
    expect((await listAdapters(first)).toSorted()).toEqual([first.model, ...later].toSorted());
    isOver = true;
    await Promise.all(rows);
    for (const end of ends) expect(end).toEqual([200, true]);
    await untilServer(async () => !(await listAdapters(first)).includes(first.model));
    expect(await listAdapters(first)).toEqual(later);
    const { status, text } = await callServer(first, '/completions', {
      model: first.model,
      prompt: [20],
      max_tokens: 1,
    });
    expect([status, text]).toEqual([404, expect.stringContaining(`The model \`${first.model}\` does not exist.`)]);
  }, 300_000);

  it('samples what the gateway captures: every token, with log-probabilities that vLLM itself finds again', async () => {
    const policy = await createTrainedPolicy('captured');
    await checkCapture((await policy.publish(1)) as VllmSnapshot, (await backend.baseSnapshot()) as VllmSnapshot);
  }, 300_000);

  it('samples each version from its adapter, and a run loses no rollout when the API server is killed', async () => {
    const metrics = await train(
      'on-policy',
      {},
      killInStepTwo(async (apiServer) => apiServer),
    );
    expect(logger.lines).toContainEqual(expect.stringContaining('calls wait until it is back'));
    expect(logger.lines).toContainEqual(expect.stringMatching(/vLLM ended by SIGKILL\. .*starting it again/s));
    // Both compute in float32: only another adapter than the one that was trained would sample with other log-probabilities.
    for (const { optimizerSteps, klSamplerTrainer } of metrics)
      if (optimizerSteps > 0) expect(klSamplerTrainer).toBeLessThan(1e-9);
  }, 1_200_000);

  it('samples a version ahead of training with maxStaleness 1, and a run loses no rollout when the engine is killed', async () => {
    const metrics = await train('ahead', { maxStaleness: 1 }, killInStepTwo(findEngine));
    expect(logger.lines).toContainEqual(expect.stringMatching(/Its last errors:\n.*EngineDeadError/s));
    for (const { staleCalls, stalenessMax } of metrics) {
      expect(staleCalls).toBe(0);
      expect(stalenessMax).toBeLessThanOrEqual(1);
    }
    expect(metrics.map(({ stalenessMax }) => stalenessMax)).toContain(1);
  }, 1_200_000);

  it('ends with its backend, all of its processes', async () => {
    const apiServer = await readPid();
    const engine = await findEngine(apiServer);
    await backend.close();
    expect([apiServer, engine].map(isAlive)).toEqual([false, false]);
  }, 120_000);
});
