/** A prompt search as a program, to be killed: `node search-run.ts <runDirectory> begin|resume [rolloutId to hang in]`. */
import { Trainer } from '../../src/index.ts';
import { capitalTasks, runCapital, search } from './capital-task.ts';
import { promptSearch } from './prompt-search.ts';

const [runDirectory, mode, hangIn] = process.argv.slice(2);

const trainer = new Trainer({
  algorithm: promptSearch(search),
  rollout: async (task: (typeof capitalTasks)[number], context) => {
    process.stdout.write(`ran ${context.rollout.rolloutId}\n`);
    if (context.rollout.rolloutId === hangIn) await new Promise(() => {});
    return runCapital(task, context);
  },
  runners: 1,
  seed: 3,
  progress: 'plain',
  runDirectory: runDirectory!,
});
const result = await trainer.fit({
  train: capitalTasks,
  validation: capitalTasks,
  steps: 6,
  validationEvery: 1,
  resume: mode === 'resume',
});
process.stdout.write(`${JSON.stringify(result)}\n`);
