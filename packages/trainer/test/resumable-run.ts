/**
 * A training run as a program, to be killed: `node resumable-run.ts <runDirectory> <steps> begin|resume <maxStaleness> [rollout]`. That
 * rollout says that it has begun, and lasts until the run ends it: so whoever ends the process is never too late.
 */
import { once } from 'node:events';
import type { BatchSample } from '@agent-lightning/core';
import { grpo, Trainer } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, letterTasks, type LetterTask } from './letter-task.ts';

const [runDirectory, steps, mode, maxStaleness, hangIn] = process.argv.slice(2);

const backend = new BigramBackend();
const trainer = new Trainer<LetterTask>({
  rollout: async (task, context) => {
    if (context.rollout.rolloutId !== hangIn) return await answerLetter(task, context);
    process.stdout.write(`began ${hangIn}\n`);
    await once(context.signal, 'abort');
    throw context.signal.reason;
  },
  backend,
  algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 60, maxGradientNorm: 0, extendFailed: 0 }),
  progress: 'plain',
  maxStaleness: Number(maxStaleness),
  runDirectory: runDirectory!,
});
const result = await trainer.fit({
  train: letterTasks,
  validation: letterTasks,
  steps: Number(steps),
  resume: mode === 'resume',
});
const trained = backend.passes.flatMap(({ rows }) => rows.map((row) => (row as BatchSample).rolloutId));
process.stdout.write(`${JSON.stringify({ ...result, trained })}\n`);
