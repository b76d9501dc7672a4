/**
 * A training run whose steps are extended, as a program: `node extended-run.ts <runDirectory> begin|resume <rollout>`. The process kills
 * itself when that rollout begins.
 */
import { grpo, Trainer } from '../src/index.ts';
import { BigramBackend } from './bigram-backend.ts';
import { askLetter, letterTasks, type LetterTask } from './letter-task.ts';

const [runDirectory, mode, killedBy] = process.argv.slice(2);

const trainer = new Trainer<LetterTask>({
  rollout: async (task, context) => {
    const { rolloutId, metadata } = context.rollout;
    if (rolloutId === killedBy) process.kill(process.pid, 'SIGKILL');
    await askLetter(task, context);
    if (task.letter < 'c') return 1; // solved: other tasks take its place
    if (task.letter < 'e') return Number(metadata['sample'] === 5); // fails, but for one of the rollouts that it gets more
    return Number(metadata['sample']) % 2;
  },
  backend: new BigramBackend(),
  algorithm: grpo({ groupSize: 4, tasksPerStep: 3, learningRate: 60, refill: 1 }),
  runners: 1,
  progress: 'plain',
  runDirectory: runDirectory!,
});
await trainer.fit({ train: letterTasks, steps: 4, resume: mode === 'resume' });
