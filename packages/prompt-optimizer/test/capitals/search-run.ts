/** A search as a program, to be killed: `node search-run.ts <runDirectory> begin|resume [text of an event to hang at]`. */
import { Trainer } from '@agent-lightning/trainer';
import { gepa } from '../../src/index.ts';
import {
  answerCapital,
  answerPrompt,
  capitalTasks,
  finishPrompt,
  rateCapital,
  scriptReflection,
} from './capital-agent.ts';

const [runDirectory, mode, hangAt] = process.argv.slice(2);

async function tell(event: string): Promise<void> {
  process.stdout.write(`${event}\n`);
  if (event === hangAt) await new Promise(() => {});
}

const answer = scriptReflection(5);
let asked = 0;
const trainer = new Trainer({
  algorithm: gepa({
    prompts: [answerPrompt, finishPrompt],
    reflection: async (request) => {
      asked += 1;
      await tell(`asked ${asked}`);
      return await answer(request);
    },
    budget: 150,
  }),
  rollout: async (task: (typeof capitalTasks)[number], { rollout }) => {
    await tell(`ran ${rollout.rolloutId}`);
    return rateCapital(answerCapital(task));
  },
  runners: 1,
  seed: 3,
  progress: 'none',
  runDirectory: runDirectory!,
});
const result = await trainer.fit({
  train: capitalTasks,
  validation: capitalTasks.slice(0, 3),
  resume: mode === 'resume',
});
process.stdout.write(`${JSON.stringify(result)}\n`);
