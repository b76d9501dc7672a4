import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RolloutContext } from '@agent-lightning/runner';
import type { TrainingBackend } from '@agent-lightning/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { gpu } from '@agent-lightning/gpu';
import { grpo, Trainer, type TrainerOptions } from '../src/index.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { stepOf } from './ordered-run.ts';
import { readMetrics, recordingLogger, type RecordingLogger } from './run-folder.ts';
import { createTinyCheckpoint, tinyVocabularySize } from '../../embedded/test/tiny-checkpoint.ts';
import { startFakeVllm, type FakeVllm } from '../../gpu/test/fakes/fake-vllm.ts';
import { measureAsWorker } from '../../gpu/test/fakes/same-model.ts';
import { startFakeTinker, type FakeTinker } from '../../tinker/test/fakes/fake-tinker.ts';

let root: string;
let worker: FakeTinker;
let vllm: FakeVllm;
let backend: TrainingBackend;
let logger: RecordingLogger;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'outage-'));
  await createTinyCheckpoint(join(root, 'model'));
  worker = await startFakeTinker({
    serverKind: 'worker',
    modelName: 'model',
    vocabularySize: tinyVocabularySize,
    adaptersDirectory: join(root, 'adapters'),
  });
  vllm = await startFakeVllm({
    measurePrompt: measureAsWorker(tinyVocabularySize),
    respond: (_, { path }) =>
      path === '/v1/chat/completions'
        ? { content: 'a', tokenIds: [5, 6], logprobs: [-1, -1], rewrite: withSmallPrompt }
        : 'ok',
  });
  logger = recordingLogger();
});
afterEach(async () => {
  await backend.close();
  await Promise.all([worker.close(), vllm.close()]);
  await rm(root, { recursive: true });
});

/** The fake's ids are those of no model; these are in the tiny one's vocabulary. */
function withSmallPrompt(payload: Record<string, unknown>): Record<string, unknown> {
  if (!('prompt_token_ids' in payload)) return payload;
  const usage = payload['usage'] as object;
  return { ...payload, prompt_token_ids: [3, 4], usage: { ...usage, prompt_tokens: 2 } };
}

/** An agent that asks by plain `fetch`, once, with all default options of a run. */
function trainerOn(options: {
  readonly awayTimeoutMs?: number;
  readonly noSignalPatience?: number;
  readonly beforeCall: (step: number) => Promise<void> | void;
}): Trainer<LetterTask> {
  const { awayTimeoutMs, noSignalPatience, beforeCall } = options;
  backend = gpu({
    model: join(root, 'model'),
    url: worker.url,
    apiKey: worker.apiKey,
    lora: { rank: 8 },
    vllm: { url: vllm.url, ...(awayTimeoutMs === undefined ? {} : { awayTimeoutMs }) },
    logger,
  });
  const patience: Pick<TrainerOptions, 'noSignalPatience'> = noSignalPatience === undefined ? {} : { noSignalPatience };
  return new Trainer<LetterTask>({
    rollout: async (task, context) => {
      await beforeCall(stepOf(context.rollout.rolloutId));
      await askLetter(task, context);
      return sampleOf(context) % 2; // whatever was answered: so that every group has a signal
    },
    backend,
    algorithm: grpo({ groupSize: 4, tasksPerStep: 2, learningRate: 3e-4 }),
    runners: 8,
    runDirectory: join(root, 'run'),
    progress: 'none',
    handleSignals: false,
    maxDivergence: Number.POSITIVE_INFINITY, // the fake samples from no model
    logger,
    ...patience,
  });
}

const sampleOf = ({ rollout }: RolloutContext): number => Number(/\.k(\d+)/.exec(rollout.rolloutId)?.[1]);
/** Waits for what comes in any case; a circle without rest would take the processor from what it waits for. */
const until = (isReached: () => boolean): Promise<unknown> =>
  vi.waitUntil(isReached, { interval: 5, timeout: 240_000 });
const said = (text: string): boolean => logger.lines.some((line) => line.includes(text));

describe('a vLLM that dies at the start of a step', () => {
  it('costs no rollout when it comes back: its calls wait until it has its adapters again', async () => {
    let dying: Promise<void> | undefined;
    const trainer = trainerOn({
      beforeCall: (step) => (step === 2 ? (dying ??= vllm.lose()) : undefined),
    });
    const running = trainer.fit({ train: letterTasks, steps: 4 });
    await Promise.race([running, until(() => said('calls wait until it is back'))]);
    vllm.setHealthy(false); // it listens before it is ready
    await vllm.comeBack();
    const before = vllm.calls.length;
    await until(() => vllm.calls.length > before + 1);
    expect(vllm.calls.slice(before).filter(({ path }) => path !== '/health')).toEqual([]);
    vllm.setHealthy(true);
    expect(await running).toMatchObject({ stopReason: 'completed', steps: 4, rollouts: 32 });
    const metrics = await readMetrics(join(root, 'run'));
    expect(
      metrics.map(({ failed, untrainableCalls, optimizerSteps }) => [failed, untrainableCalls, optimizerSteps]),
    ).toEqual(Array.from({ length: 4 }, () => [0, 0, 1]));
  });

  it('costs no rollout when it comes back too quickly to be missed, without its adapters', async () => {
    let losing = false;
    const trainer = trainerOn({
      beforeCall: (step) => {
        if (step !== 2 || losing) return;
        losing = true;
        vllm.forgetAdapters();
      },
    });
    expect(await trainer.fit({ train: letterTasks, steps: 3 })).toMatchObject({
      stopReason: 'completed',
      rollouts: 24,
    });
    for (const line of await readMetrics(join(root, 'run')))
      expect(line).toMatchObject({ failed: 0, untrainableCalls: 0 });
    expect(vllm.calls.filter(({ path }) => path === '/v1/load_lora_adapter').length).toBeGreaterThan(3);
  });

  it('and stays away fails the held calls by name, and the step does not count as one without signal', async () => {
    let dying: Promise<void> | undefined;
    const trainer = trainerOn({
      awayTimeoutMs: 500,
      noSignalPatience: 2,
      beforeCall: (step) => (step === 1 ? (dying ??= vllm.lose()) : undefined),
    });
    const running = trainer.fit({ train: letterTasks, steps: 3 });
    await Promise.race([running, until(() => said('step 1 taught nothing'))]);
    await vllm.comeBack();
    expect(await running).toMatchObject({ stopReason: 'completed', steps: 3 });
    const [first, , last] = await readMetrics(join(root, 'run'));
    expect(first).toMatchObject({ noSignal: 'outage', failed: 8, optimizerSteps: 0 });
    expect(last).toMatchObject({ failed: 0, optimizerSteps: 1 });
    expect(logger.lines.find((line) => line.includes('step 1 taught nothing'))).toMatch(
      /8 of 8 rollouts came to nothing because the model did not answer: "failed: no server of the model is well; vLLM at http\S+ has not answered/,
    );
    expect(logger.lines.find((line) => line.includes('failed with agent-failed'))).toContain('upstream-away');
  });

  it('and never comes back ends the run as an outage that it can be resumed from', async () => {
    let dying: Promise<void> | undefined;
    const trainer = trainerOn({
      awayTimeoutMs: 500,
      noSignalPatience: 2,
      beforeCall: () => (dying ??= vllm.lose()),
    });
    await expect(trainer.fit({ train: letterTasks, steps: 9 })).rejects.toMatchObject({
      code: 'backend-failed',
      retryable: true,
      message: expect.stringMatching(
        /^training stopped after step 2: for 2 steps no rollout came through\. 8 of 8 .* then resume the run$/s,
      ),
    });
  });
});
