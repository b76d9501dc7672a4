/** Trains the SQL agent in this process: `npm run quickstart -- --help`. */
import { embedded } from '@agent-lightning/embedded';
import { describeKernels, runExample } from '@agent-lightning/example-kit';

import { sqlFlags, sqlSettings, startingModel, trainSqlAgent } from './train.ts';

const program = {
  command: 'npm run quickstart',
  purpose: 'Trains the SQL agent on this machine and writes a report.',
  defaultSteps: 24,
  outcome: 'Held-out questions that the agent answers right',
  flags: sqlFlags,
  settings: {
    ...sqlSettings,
    'learning-rate': { value: 'X', meaning: 'all weights train; large models want much less', default: '4e-4' },
  },
  next: 'npm run example:small-model (an agent on SmolLM2, a real chat model; installs PyTorch)',
};

await runExample(program, async (run) => {
  const { model, 'learning-rate': learningRate } = run.options.settings;
  const backend = embedded({ model: model || startingModel, wideKernels: true });
  console.log(describeKernels(await backend.kernels()));
  return await trainSqlAgent(run, { backend, learningRate: Number(learningRate) });
});
