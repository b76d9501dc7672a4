/** A training run on the worker as users write it, which closes nothing: `node gpu-run.ts <model> <folder> begin|resume`. */
import { join } from 'node:path';
import { gpu } from '@agent-lightning/gpu';
import { grpo, Trainer } from '../src/index.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';

const [model, folder, mode] = process.argv.slice(2);
const groupSize = 4;
const tasksPerStep = 2;

const backend = gpu({ model: model!, device: 'cpu', stateDirectory: join(folder!, 'states') });
const createPolicy = backend.createPolicy.bind(backend);
backend.createPolicy = async (spec) => {
  const policy = await createPolicy(spec);
  const { forwardBackward, optimStep } = policy;
  let step = 1;
  return Object.assign(policy, {
    forwardBackward: async (...pass: Parameters<typeof forwardBackward>) => {
      process.stdout.write(`trains on step ${step}\n`);
      return await forwardBackward.apply(policy, pass);
    },
    optimStep: async (...adam: Parameters<typeof optimStep>) => {
      step += 1;
      return await optimStep.apply(policy, adam);
    },
  });
};

const trainer = new Trainer<LetterTask>({
  backend,
  rollout: async (task, context) => {
    if (context.rollout.mode === 'train') process.stdout.write(`begins ${context.rollout.rolloutId}\n`);
    return (await askLetter(task, context)).length % 2;
  },
  algorithm: grpo({ groupSize, tasksPerStep, learningRate: 1e-3, maxTokens: 3 }),
  noSignalPatience: 10,
  progress: 'plain',
  runDirectory: join(folder!, 'run'),
});
const result = await trainer.fit({ train: letterTasks, steps: 3, resume: mode === 'resume' });
if (result.stopReason === 'interrupted') process.exitCode = 130;
process.stdout.write(`${JSON.stringify(result)}\n`);
