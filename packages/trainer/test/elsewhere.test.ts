import { MemoryStore } from '@agent-lightning/store';
import { Runner } from '@agent-lightning/runner';
import { afterEach, expect, it } from 'vitest';
import { Trainer, type TrainerOptions } from '../src/index.ts';
import { capitalTasks, runCapital, search, type CapitalTask } from './prompt-search/capital-task.ts';
import { promptSearch, type PromptSearchMetrics } from './prompt-search/prompt-search.ts';
import { createFolder, recordingLogger } from './run-folder.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function createTrainer(
  options: Partial<TrainerOptions<CapitalTask, PromptSearchMetrics>>,
): Promise<Trainer<CapitalTask, PromptSearchMetrics>> {
  return new Trainer<CapitalTask, PromptSearchMetrics>({
    rollout: () => {
      throw new TypeError('this process runs no agent');
    },
    runners: 0,
    algorithm: promptSearch(search),
    runDirectory: await createFolder(),
    logger: recordingLogger(),
    handleSignals: false,
    progress: 'plain',
    ...options,
  });
}

it('trains on rollouts that runners elsewhere run, when it has none of its own', async () => {
  const store = new MemoryStore();
  closing.push(() => store.close());
  const runner = new Runner<CapitalTask>({
    store,
    rollout: (task, context) => runCapital(task, context),
    concurrency: 4,
  });
  const running = runner.run();
  closing.push(
    () => running,
    () => runner.stop(),
  );
  const trainer = await createTrainer({ store });
  const { stopReason } = await trainer.fit({ train: capitalTasks, steps: 2 });
  expect(stopReason).toBe('completed');
  const { rollouts } = await store.statistics();
  expect(rollouts.succeeded).toBeGreaterThan(0);
  expect(rollouts.failed).toBe(0);
});

it.each([
  ['a store', {}],
  [
    'ownModels must be left out',
    {
      store: new MemoryStore({ watchdogIntervalMs: 0 }),
      ownModels: { openai: { baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'SECRET' } },
    },
  ],
  ['attemptTimeoutMs', { store: new MemoryStore({ watchdogIntervalMs: 0 }), attemptTimeoutMs: 1_000 }],
  ['onRolloutEnd', { store: new MemoryStore({ watchdogIntervalMs: 0 }), hooks: { onRolloutEnd: () => undefined } }],
])('says what is missing, or would be ignored, without runners of its own: %s', async (name, options) => {
  await expect(createTrainer(options)).rejects.toMatchObject({
    code: 'option-invalid',
    message: expect.stringContaining(name),
  });
});
