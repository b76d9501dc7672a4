/** Trains the SQL agent in this process: `npm run quickstart -- --help`. */
import { embedded } from '@agent-lightning/embedded';
import { describeKernels, readUpdateSettings, runExample, updateSettings } from '@agent-lightning/example-kit';

import { sqlFlags, sqlSettings, startingModel, trainSqlAgent } from './train.ts';

const program = {
  command: 'npm run quickstart',
  purpose: 'Trains the SQL agent on this machine and writes a report.',
  defaultSteps: 24,
  outcome: 'Held-out questions that the agent answers right',
  flags: sqlFlags,
  settings: { ...sqlSettings, ...updateSettings('auto', 8) },
  next: 'npm run example:small-model (an agent on SmolLM2, a real chat model; 1 GB to download first)',
};

await runExample(program, async (run) => {
  const { settings } = run.options;
  const { model } = settings;
  const update = readUpdateSettings(settings);
  const backend = embedded({ model: model || startingModel, wideKernels: true });
  console.log(describeKernels(await backend.kernels()));
  return await trainSqlAgent(run, { backend, ...update });
});
