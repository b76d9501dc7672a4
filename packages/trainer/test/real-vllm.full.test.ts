/** A real vLLM on the CPU beside the PyTorch worker. AGENT_LIGHTNING_VLLM is its program; docs/vllm.md says how to install it. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingBackend } from '@agent-lightning/core';
import { gpu } from '@agent-lightning/gpu';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { grpo, Trainer } from '../src/index.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { readMetrics, recordingLogger, type RecordingLogger } from './run-folder.ts';
import { findWorkerPython } from '../../gpu/test/worker-python.ts';

const model = join(import.meta.dirname, '../../../examples/sql-agent/model');
const program = process.env['AGENT_LIGHTNING_VLLM'];

let folder: string;
let logger: RecordingLogger;
let backend: TrainingBackend;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'real-vllm-'));
  logger = recordingLogger();
  backend = gpu({
    model,
    device: 'cpu',
    dtype: 'float32',
    lora: { rank: 8 },
    stateDirectory: join(folder, 'states'),
    vllm: {
      command: ['sh', '-c', 'echo $$ > "$PID_FILE"; exec "$@"', 'sh', program!],
      gpuMemoryUtilization: 0.08,
      env: {
        PID_FILE: join(folder, 'pid'),
        VLLM_CPU_KVCACHE_SPACE: '1',
        HF_HUB_OFFLINE: '1',
        VLLM_NO_USAGE_STATS: '1',
      },
    },
    logger,
  });
});
afterEach(async () => {
  await backend.close();
  await rm(folder, { recursive: true, force: true });
});

const killVllm = async (): Promise<void> =>
  void process.kill(Number(await readFile(join(folder, 'pid'), 'utf8')), 'SIGKILL');

const isMissing = program === undefined || findWorkerPython() === undefined;
describe('training with a real vLLM (needs AGENT_LIGHTNING_VLLM and npm run setup:python)', { skip: isMissing }, () => {
  it('samples each version from its adapter, and loses no rollout when vLLM is killed during a step', async () => {
    let killing: Promise<void> | undefined;
    const trainer = new Trainer<LetterTask>({
      // An agent that asks by plain `fetch`, once, in a run with all default options.
      rollout: async (task, context) => {
        if (context.rollout.rolloutId.includes('.s2.')) await (killing ??= killVllm());
        return (await askLetter(task, context)).length % 2;
      },
      backend,
      algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 2e-3, maxTokens: 4 }),
      runDirectory: join(folder, 'run'),
      progress: 'none',
      handleSignals: false,
      logger,
    });
    const result = await trainer.fit({ train: letterTasks, steps: 4 });
    expect(result, logger.lines.join('\n')).toMatchObject({ stopReason: 'completed', steps: 4, rollouts: 128 });
    expect(logger.lines).toContainEqual(expect.stringContaining('calls wait until it is back'));

    const metrics = await readMetrics(join(folder, 'run'));
    for (const line of metrics) expect(line, logger.lines.join('\n')).toMatchObject({ failed: 0, untrainableCalls: 0 });
    expect(metrics.some(({ optimizerSteps }) => optimizerSteps > 0)).toBe(true);
    // Both compute in float32: only another adapter than the one that was trained would sample with other log-probabilities.
    for (const { optimizerSteps, klSamplerTrainer } of metrics)
      if (optimizerSteps > 0) expect(klSamplerTrainer).toBeLessThan(1e-9);
  }, 1_200_000);
});
