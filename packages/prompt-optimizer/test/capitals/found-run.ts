/** A search over found prompts as a program, to be killed: `node found-run.ts <runDirectory> begin|resume [text of an event to hang at]`. */
import { Trainer } from '@agent-lightning/trainer';
import { gepa } from '../../src/index.ts';
import { capitalTasks, rateCapital, type CapitalTask } from './capital-agent.ts';
import { addSentence } from './command-search.ts';
import { askHostedModel, startHostedModel } from './wired-agent.ts';

const [runDirectory, mode, hangAt] = process.argv.slice(2);

async function tell(event: string): Promise<void> {
  process.stdout.write(`${event}\n`);
  if (event === hangAt) await new Promise(() => {});
}

const model = await startHostedModel(capitalTasks);
let asked = 0;
const log = (line: string): void => void process.stdout.write(`log ${line.replaceAll('\n', ' ')}\n`);
const trainer = new Trainer<CapitalTask, object>({
  algorithm: gepa({
    prompts: 'found',
    reflection: async (request) => {
      asked += 1;
      await tell(`asked ${asked}`);
      return await addSentence(request);
    },
    selectionTasks: 3,
    minibatch: 2,
  }),
  rollout: async (task, { rollout }) => {
    await tell(`ran ${rollout.rolloutId}`);
    const answer = await askHostedModel(model.baseUrl, task);
    await tell(`answered ${rollout.rolloutId}`);
    return rateCapital(answer);
  },
  logger: { info: log, warn: log, error: log },
  runners: 2,
  seed: 3,
  progress: 'none',
  runDirectory: runDirectory!,
});
await trainer.fit({ train: capitalTasks.slice(0, 6), steps: 2, resume: mode === 'resume' });
model.close();
