/** A training run as a program, to be killed: `node resumable-run.ts <runDirectory> <steps> begin|resume`. */
import { grpo, Trainer } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { answerLetter, letterTasks, type LetterTask } from './letter-task.ts';

const [runDirectory, steps, mode] = process.argv.slice(2);

const trainer = new Trainer<LetterTask>({
  rollout: answerLetter,
  backend: new BigramBackend(),
  algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 60, maxGradientNorm: 0 }),
  progress: 'plain',
  runDirectory: runDirectory!,
});
const result = await trainer.fit({
  train: letterTasks,
  validation: letterTasks,
  steps: Number(steps),
  resume: mode === 'resume',
});
process.stdout.write(`${JSON.stringify(result)}\n`);
