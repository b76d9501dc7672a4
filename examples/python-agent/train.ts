/** Trains agent.py, which knows nothing of it. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runCommand } from '@agent-lightning/runner';
import { embedded } from '@agent-lightning/embedded';
import { grpo, Trainer, type TrainerOptions, type TrainingResult } from '@agent-lightning/trainer';

import { rightAnswer, type Question } from './questions.ts';
import { makeStartingModel } from './starting-model.ts';

export interface TrainOptions extends Pick<
  TrainerOptions<Question>,
  'seed' | 'control' | 'runDirectory' | 'logger' | 'progress'
> {
  readonly questions: readonly Question[];
  readonly steps: number;
  readonly groupSize: number;
}

export async function train({ questions, steps, groupSize, ...options }: TrainOptions): Promise<TrainingResult> {
  const model = await mkdtemp(join(tmpdir(), 'python-agent-'));
  await using resources = new AsyncDisposableStack();
  resources.defer(() => rm(model, { recursive: true }));
  await makeStartingModel(model);
  const backend = embedded({ model });
  resources.defer(() => backend.close());

  const trainer = new Trainer<Question>({
    rollout: runCommand({
      command: 'python3',
      args: [`${import.meta.dirname}/agent.py`],
      reward: ({ task, stdout, stderr, exitCode }) => {
        assert.equal(exitCode, 0, stderr);
        return stdout.trim() === rightAnswer(task) ? 1 : 0;
      },
    }),
    backend,
    algorithm: grpo({ groupSize, tasksPerStep: questions.length, learningRate: 2e-3 }),
    runners: 4,
    ...options,
  });
  return await trainer.fit({ train: questions, validation: questions, steps });
}
